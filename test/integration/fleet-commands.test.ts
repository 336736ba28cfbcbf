import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { runBerthIn } from '../support/berth-command.ts';
import { makeCertificate } from '../support/certificate-authority.ts';
import { type CleanupScope, defer } from '../support/cleanup.ts';
import { sendRequest } from '../support/http-client.ts';
import { REGISTRY_PROGRAM } from '../support/programs.ts';
import { startRegistry } from '../support/registry-process.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const PASSWORD = 'a password of tests';

describe('commands about the fleet', async () => {
  const registry = await startRegistry({ after }, { adminPassword: PASSWORD });
  const folder = await makeTempDir({ after }, 'docker');
  const here = ['--data', registry.dataDir];
  const berth = (env: Readonly<Record<string, string>>, ...args: readonly string[]) =>
    runBerthIn({ DOCKER_CONFIG: folder, ...env }, ...args);
  const remote = { BERTH_SERVER: registry.url, BERTH_TOKEN: `admin:${PASSWORD}` };
  const expect = async (env: Readonly<Record<string, string>>, ...args: readonly string[]) => {
    const { exitCode, stderr, stdout } = await berth(env, ...args);
    assert.equal(exitCode, 0, `berth ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const join = async (name: string, line: string) => {
    const token = line.trim().split(' ').at(-1);
    const body = {
      token,
      name,
      publicKey: 'A'.repeat(43),
      recipient: 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p',
      labels: { zone: 'a' },
      facts: {
        version: '1.0.0',
        operatingSystem: 'Debian',
        platform: 'linux/amd64',
        processors: 2,
        memory: 1 << 30,
        allows: [],
        ingress: false,
      },
    };
    const { status, body: said } = await sendRequest(`${registry.url}/api/v1/fleet/join`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    assert.equal(status, 201, said.toString());
  };

  test('hosts: the same commands on the data of this machine and through the API', async () => {
    for (const [name, options, env] of [
      ['web1', here, {}],
      ['web2', [], remote],
    ] as const) {
      const made = await berth(env, 'host', 'token', '--label', 'role=web', ...options);
      assert.match(made.stdout, /^berth-agent join http:\/\/127\.0\.0\.1:\d+ bjt_[\w-]{43}\n$/);
      assert.match(made.stderr, /once and within 60 minutes/);
      await join(name, made.stdout);
      await expect(env, 'host', 'label', name, 'rack=1', 'zone-', ...options);
      const [inspected] = JSON.parse(await expect(env, 'host', 'inspect', name, ...options));
      assert.deepEqual(inspected.labels, { role: 'web', rack: '1' });
      await expect(env, 'host', 'drain', name, ...options);
    }
    const there = await expect(remote, 'hosts', '--format', 'json');
    assert.equal(await expect({}, 'host', 'ls', '--format', 'json', ...here), there);
    const [first, second] = JSON.parse(there);
    assert.deepEqual([first.name, first.state, first.draining], ['web1', 'unknown', true]);
    await expect(remote, 'host', 'drain', '--off', 'web1');
    await expect({}, 'host', 'rename', 'web2', 'web3', ...here);
    assert.match(await expect(remote, 'hosts'), /^web1 +unknown .*\nweb3 +unknown +role=web rack=1 +- /);
    await expect(remote, 'host', 'rm', 'web1');
    await expect({}, 'host', 'rm', second.id, ...here);
    assert.equal(await expect(remote, 'hosts'), '');
    const refused = await berth(remote, 'host', 'rm', 'web1');
    assert.deepEqual([refused.exitCode, refused.stderr], [1, 'berth: there is no host named "web1"\n']);
  });

  test('a personal token needs no name, and a refusal says how to log in', async () => {
    const token = (await expect({}, 'token', 'create', 'admin', ...here)).trim();
    await expect({ ...remote, BERTH_TOKEN: token }, 'hosts');
    const other = await expect({}, 'token', 'create', 'admin', '--scope', 'team/*:pull', ...here);
    const limited = await berth({ ...remote, BERTH_TOKEN: other.trim() }, 'hosts');
    assert.match(limited.stderr, /make one with the scope registry:hosts/);
    const nobody = await berth({ BERTH_SERVER: registry.url }, 'hosts');
    assert.equal(nobody.exitCode, 1);
    assert.match(nobody.stderr, /log in with "berth login http:\/\/127\.0\.0\.1:\d+", or set BERTH_TOKEN/);
    const mistyped = `${token.slice(0, -1)}${token.endsWith('x') ? 'y' : 'x'}`;
    const wrong = await berth({ ...remote, BERTH_TOKEN: mistyped }, 'hosts');
    assert.equal(wrong.exitCode, 1);
    const nowhere = await berth({ ...remote, BERTH_SERVER: 'http://127.0.0.1:1' }, 'hosts');
    assert.match(nowhere.stderr, /^berth: 127\.0\.0\.1:1 cannot be reached: /);
  });

  test('the login that docker keeps counts, as a password or as an identity token', async () => {
    const { host } = registry;
    const entered = await sendRequest(`${registry.url}/token?offline_token=true&service=&account=admin`, {
      headers: { authorization: `Basic ${Buffer.from(`admin:${PASSWORD}`).toString('base64')}` },
    });
    const identitytoken = JSON.parse(entered.body.toString()).refresh_token;
    assert.match(identitytoken, /^berth_ref_/);
    const auth = Buffer.from(`admin:${PASSWORD}`).toString('base64');
    for (const entry of [{ auth }, { auth: Buffer.from('admin:').toString('base64'), identitytoken }]) {
      await writeFile(`${folder}/config.json`, JSON.stringify({ auths: { [host]: entry } }));
      await expect({ BERTH_SERVER: registry.url }, 'hosts');
    }
    const accounts = await sendRequest(`${registry.url}/api/v1/users`, {
      headers: { authorization: `Bearer ${identitytoken}` },
    });
    assert.equal(accounts.status, 403, 'the login manages accounts');
  });
});

test('a certificate of a private authority: --ca or BERTH_CA, and a sentence without', async (t) => {
  const { authority, certificate, key } = await makeCertificate(t);
  const registry = await startTlsRegistry(t, certificate, key);
  const env = { BERTH_TOKEN: `admin:${PASSWORD}`, DOCKER_CONFIG: await makeTempDir(t, 'docker') };
  const refused = await runBerthIn(env, 'hosts', '--server', registry);
  assert.equal(refused.exitCode, 1);
  assert.match(
    refused.stderr,
    /private authority issued its certificate, give that with --ca FILE or BERTH_CA/,
  );
  for (const [more, args] of [
    [{}, ['--ca', authority]],
    [{ BERTH_CA: authority }, []],
    [{ NODE_EXTRA_CA_CERTS: authority }, []],
  ] as const) {
    const { exitCode, stderr } = await runBerthIn(
      { ...env, ...more },
      'hosts',
      '--server',
      registry,
      ...args,
    );
    assert.equal(exitCode, 0, stderr);
  }
});

async function startTlsRegistry(scope: CleanupScope, certificate: string, key: string): Promise<string> {
  const { startProcess } = await import('../support/managed-process.ts');
  const data = join(await makeTempDir(scope, 'registry'), 'data');
  const args = [
    'serve',
    '--listen',
    '127.0.0.1:0',
    '--data',
    data,
    '--tls-cert',
    certificate,
    '--tls-key',
    key,
  ];
  const started = startProcess(scope, process.execPath, [REGISTRY_PROGRAM, ...args], {
    env: { BERTH_ADMIN_PASSWORD: PASSWORD },
  });
  const [, url = ''] = await started.waitForLine(/berth is ready: (https:\/\/127\.0\.0\.1:\d+)/);
  return url;
}

test('the end of a rollout is the exit code; a registry that restarts is waited for', async (t) => {
  const states: Record<string, string> = {};
  let failures = 2;
  const answers = ({ method, url = '' }: IncomingMessage): object | undefined => {
    const app = url.split('/')[4] ?? '';
    if (method === 'POST' && app === 'refused') return undefined;
    if (method === 'POST') return { release: 2 };
    if (url.includes('/rollout') && failures > 0) {
      failures -= 1;
      return undefined;
    }
    if (url.includes('/rollout'))
      return { release: 2, state: app.replaceAll('%20', ' '), revision: 'a', reason: null, hosts: [] };
    return states;
  };
  const server = createServer((request, response) => {
    const answer = answers(request);
    response.writeHead(answer === undefined ? (request.method === 'POST' ? 409 : 503) : 200, {
      'content-type': 'application/json',
    });
    response.end(JSON.stringify(answer ?? { errors: [{ code: 'X', message: 'not now' }] }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  defer(t, () => {
    server.close();
  });
  const { port } = server.address() as { port: number };
  const env = { BERTH_SERVER: `http://127.0.0.1:${port}`, BERTH_TOKEN: 'a:b' };
  for (const [app, code] of [
    ['done', 0],
    ['rolled back', 3],
    ['failed', 3],
    ['rollback failed', 4],
    ['superseded', 1],
    ['refused', 2],
  ] as const) {
    const { exitCode, stderr } = await runBerthIn(env, 'rollback', app);
    assert.equal(exitCode, code, `${app}: ${stderr}`);
  }
  assert.equal(failures, 0);
});
