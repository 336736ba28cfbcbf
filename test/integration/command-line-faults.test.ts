import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { runBerthIn } from '../support/berth-command.ts';
import { type CleanupScope, defer } from '../support/cleanup.ts';
import { REGISTRY_CACHE } from '../support/compile-cache.ts';
import { startProcess } from '../support/managed-process.ts';
import { REGISTRY_PROGRAM } from '../support/programs.ts';
import { ADMIN_PASSWORD, startRegistryWithAccounts } from '../support/registry-with-accounts.ts';
import { runCommand } from '../support/run-command.ts';
import { atTerminal } from '../support/script-terminal.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';

const BERTH = `'${process.execPath}' '${REGISTRY_PROGRAM}'`;

/** Commands that read and that change, by the API. */
const READING = [
  ['repo', 'ls'],
  ['repo', 'du'],
  ['tag', 'ls', 'team/app'],
  ['tag', 'inspect', 'team/app:1'],
  ['tag', 'diff', 'team/app:1', '2'],
  ['manifest', 'ls', 'team/app'],
  ['apps'],
  ['hosts'],
  ['ps', 'team/shop'],
  ['history', 'team/shop'],
] as const;
const CHANGING = [
  ['tag', 'rm', 'team/app:1'],
  ['tag', 'cp', 'team/app:1', 'team/other'],
  ['tag', 'restore', 'team/app:1'],
  ['repo', 'rm', 'team/app', '--yes'],
] as const;

describe('a command and its terminal', async () => {
  const registry = await startRegistryWithAccounts({ after });
  const { manifest } = await registry.admin.pushImage('team/app', 'v0');
  for (let index = 1; index < 300; index += 1) {
    await registry.admin.pushManifest('team/app', `v${index}`, manifest);
  }
  const folder = await makeTempDir({ after }, 'docker');
  const env: Readonly<Record<string, string>> = {
    DOCKER_CONFIG: folder,
    BERTH_SERVER: registry.url,
    BERTH_TOKEN: `admin:${ADMIN_PASSWORD}`,
  };
  const exported = Object.entries(env).map(([name, value]) => `${name}='${value}'`);
  const shell = (line: string) => runCommand('bash', ['-c', line], { env, expectExit: 'any' });

  test('nobody reads the output to its end: it ends with exit code 0, and says nothing', async () => {
    for (const format of ['jsonl', 'json', 'table']) {
      const { stderr, stdout } = await shell(
        `${BERTH} tag ls team/app --format ${format} | head -c 20 >/dev/null; echo "\${PIPESTATUS[0]}"`,
      );
      assert.deepEqual([stdout, stderr], ['0\n', ''], format);
    }
    const closed = await shell(`${BERTH} tag ls team/app >&-; echo $?`);
    assert.deepEqual([closed.stdout, closed.stderr], ['0\n', '']);
    const quiet = await shell(`${BERTH} tag ls none/here 2>&-; echo $?`);
    assert.equal(quiet.stdout, '1\n');
  });

  test('a terminal of 20 columns: no line of a table is longer', async () => {
    for (const command of ['repo ls', 'tag ls team/app', 'manifest ls team/app', 'audit --limit 5']) {
      const here = command.startsWith('audit') ? ` --data '${registry.data}'` : '';
      const { stdout } = await atTerminal(`env ${exported.join(' ')} ${BERTH} ${command}${here}`, {
        columns: 20,
      });
      const lines = stdout.split(/\r?\n/);
      assert.ok(lines.length > 1, command);
      assert.deepEqual(
        lines.filter((line) => line.length > 20),
        [],
        command,
      );
    }
  });

  test('no command prints colours, with NO_COLOR or without', async () => {
    for (const setting of [
      'NO_COLOR=1',
      'NO_COLOR=',
      'FORCE_COLOR=1',
      'CLICOLOR_FORCE=1 TERM=xterm-256color',
    ]) {
      for (const command of ['--help', 'repo ls', 'tag ls none/here', 'nothing']) {
        const { stdout } = await atTerminal(`env ${exported.join(' ')} ${setting} ${BERTH} ${command}`, {
          expectExit: 'any',
        });
        assert.ok(!stdout.includes('\x1b'), `${setting} ${command}: ${JSON.stringify(stdout)}`);
      }
    }
  });

  test('a token is in no argument, no log and no sentence', async (t) => {
    const token = (await runBerthIn({}, 'token', 'create', 'admin', '--data', registry.data)).stdout.trim();
    assert.match(token, /^berth_\S+$/);
    const wrong = `${token.slice(0, -1)}${token.endsWith('x') ? 'y' : 'x'}`;
    const failing = [['tag', 'ls', 'none/here'], ['nothing'], ['login']];
    for (const [secret, commands] of [
      [token, [...READING, ...CHANGING, ...failing]],
      [wrong, failing],
      [`admin:${wrong}`, failing],
    ] as const) {
      for (const command of commands) {
        const { stderr, stdout } = await runBerthIn({ ...env, BERTH_TOKEN: secret }, ...command);
        for (const text of [stdout, stderr]) assert.ok(!text.includes(secret), command.join(' '));
      }
    }
    const logged = registry.logged.join('\n');
    for (const secret of [token, wrong, ADMIN_PASSWORD]) {
      assert.ok(!logged.includes(secret));
      assert.ok(!logged.includes(Buffer.from(`admin:${secret}`).toString('base64')));
    }
    for (const command of [
      ['repo', 'ls', '--server', 'https://admin:hunter2@registry.example'],
      ['login', 'https://admin:hunter2@registry.example'],
      ['import', '--from', 'https://admin:hunter2@registry.example', '--data', folder],
    ]) {
      const { exitCode, stderr } = await runBerthIn({ DOCKER_CONFIG: folder }, ...command);
      assert.equal(exitCode, 2, stderr);
      assert.doesNotMatch(stderr, /hunter2/);
    }
    const hanging = await startServer(t, () => {});
    const waiting = startProcess(t, process.execPath, [REGISTRY_PROGRAM, 'repo', 'ls'], {
      env: { ...REGISTRY_CACHE, ...env, BERTH_SERVER: hanging.url, BERTH_TOKEN: token },
    });
    await untilPasses(async () => assert.equal(hanging.requests.length, 1));
    const own = await readFile(`/proc/${waiting.pid}/cmdline`, 'utf8');
    assert.ok(own.includes('repo') && !own.includes(token));
    for (const pid of await childrenOf(waiting.pid)) {
      assert.ok(!(await readFile(`/proc/${pid}/cmdline`, 'utf8')).includes(token));
    }
  });
});

test('no home folder: what needs one says so, and the rest works', { skip: unlessRoot() }, async (t) => {
  const registry = await startRegistryWithAccounts(t);
  await registry.admin.pushImage('team/app', '1');
  const remote = `BERTH_SERVER='${registry.url}' BERTH_TOKEN='admin:${ADMIN_PASSWORD}'`;
  // The sources may be where only root gets in.
  const read = '--inh-caps=+dac_read_search --ambient-caps=+dac_read_search';
  const stranger = `setpriv --reuid=54321 --regid=54321 --clear-groups ${read} env -u HOME -u DOCKER_CONFIG`;
  for (const who of [stranger, 'env -u DOCKER_CONFIG HOME=']) {
    const run = (line: string) =>
      runCommand('sh', ['-c', `${who} NODE_DISABLE_COMPILE_CACHE=1 ${line}`], { expectExit: 'any' });
    assert.match((await run(`${BERTH} --version`)).stdout, /^\d/);
    assert.match((await run(`${remote} ${BERTH} tag ls team/app`)).stdout, /^1 /m);
    const nobody = await run(`BERTH_SERVER='${registry.url}' ${BERTH} hosts`);
    assert.match(nobody.stderr, /^berth: \S+ does not know you/);
    assert.deepEqual((await run(`${BERTH} context ls`)).exitCode, 0);
    const use = await run(`${BERTH} context use registry.example`);
    assert.deepEqual([use.exitCode, use.stdout], [2, '']);
    assert.match(use.stderr, /^berth: there is no context "registry\.example"/);
    const login = await run(`${BERTH} login '${registry.url}'`);
    assert.equal(login.exitCode, 2);
    assert.equal(login.stderr, 'berth: there is no home folder for logins: set HOME or DOCKER_CONFIG\n');
  }
});

test('an empty HOME does not lead into the folder where somebody is', async (t) => {
  const folder = await makeTempDir(t, 'anybody');
  await runCommand('mkdir', [join(folder, '.docker')]);
  await writeFile(join(folder, '.docker/berth.json'), JSON.stringify({ server: 'https://evil.example' }));
  const { stdout } = await runCommand(
    'env',
    ['-u', 'DOCKER_CONFIG', 'HOME=', process.execPath, REGISTRY_PROGRAM, 'context', 'ls'],
    {
      cwd: folder,
    },
  );
  assert.equal(stdout, '');
});

test('a read-only file system keeps the contexts as they are, and a sentence says so', {
  skip: unlessRoot(),
}, async (t) => {
  const folder = await makeTempDir(t, 'contexts');
  const contexts = {
    'one.example': { server: 'https://one.example/' },
    'two.example': { server: 'https://two.example/' },
  };
  const text = JSON.stringify({ current: 'one.example', contexts });
  await writeFile(join(folder, 'berth.json'), text);
  for (const action of ['use two.example', 'rm one.example']) {
    const script = `mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && DOCKER_CONFIG="$0" exec ${BERTH} context ${action}`;
    const { exitCode, stderr, stdout } = await runCommand(
      'unshare',
      ['--mount', 'sh', '-c', script, folder],
      {
        expectExit: 'any',
      },
    );
    assert.deepEqual([exitCode, stdout], [2, '']);
    assert.equal(stderr, `berth: ${folder}/berth.json cannot be written (EROFS)\n`);
  }
  const script = `mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && DOCKER_CONFIG="$0" exec ${BERTH} login http://127.0.0.1:1`;
  const login = await runCommand('unshare', ['--mount', 'sh', '-c', script, folder], { expectExit: 2 });
  assert.equal(login.stderr, `berth: the login cannot be stored: ${folder} cannot be written (EROFS)\n`);
  assert.equal(await readFile(join(folder, 'berth.json'), 'utf8'), text);
  assert.deepEqual(await readdir(folder), ['berth.json']);
});

/** Answers that a registry of another version, or none, may give. */
const OTHERS: Readonly<
  Record<string, { readonly status: number; readonly body: string; readonly says: RegExp }>
> = {
  'a registry without the route': {
    status: 404,
    body: '{"errors":[{"code":"UNSUPPORTED","message":"there is nothing at this path"}]}',
    says: /does not support this command: it is older, has no accounts, or is not a Berth registry\n$/,
  },
  'a web server': { status: 404, body: '<h1>Not Found</h1>', says: /is not a Berth registry\n$/ },
  'a web page': {
    status: 200,
    body: '<h1>Welcome</h1>',
    says: /does not answer as a Berth registry does\n$/,
  },
  ...Object.fromEntries(
    ['[]', 'null', '"text"', '{}', '{"next":null,"repositories":null,"tags":null}'].map((body) => [
      `an answer ${body}`,
      {
        status: 200,
        body,
        says: /another version of Berth than this command, or none \(.+\): use a command of its version\n$/,
      },
    ]),
  ),
};

for (const [what, { body, says, status }] of Object.entries(OTHERS)) {
  test(`${what}: each command fails with one sentence`, async (t) => {
    const server = await startServer(t, (_, response) => response.writeHead(status).end(body));
    for (const command of [...READING, ...CHANGING]) {
      const { exitCode, stderr, stdout } = await berthAt(server.url, command);
      assert.deepEqual([exitCode, stdout], [1, ''], command.join(' '));
      assert.match(stderr, /^berth: [^\n]*\n$/, command.join(' '));
      assert.match(stderr, says, command.join(' '));
    }
  });
}

test('a newer registry tells more than the command knows, which it leaves out', async (t) => {
  const registry = await startRegistryWithAccounts(t);
  await registry.admin.pushImage('team/app', '1');
  await registry.admin.pushImage('team/app', '2');
  const newer = await startServer(t, async (request, response) => {
    const answer = await registry.send(request.method ?? '', request.url ?? '', {
      headers: { authorization: request.headers.authorization ?? '', 'content-type': 'application/json' },
      body: await textOf(request),
    });
    const text = answer.body.toString();
    response.writeHead(answer.status).end(text === '' ? text : JSON.stringify(withMore(JSON.parse(text))));
  });
  for (const command of [
    ...READING.slice(0, 8),
    ['tag', 'rm', 'team/app:1', '--dry-run'],
    ['tag', 'cp', 'team/app:1', 'team/other'],
    ['repo', 'rm', 'team/other', '--dry-run'],
  ]) {
    const { exitCode, stderr, stdout } = await berthAt(newer.url, command);
    assert.equal(exitCode, 0, stderr);
    assert.doesNotMatch(`${stdout}${stderr}`, /undefined|NaN|null|\[object/, command.join(' '));
    if (command[1] !== 'inspect') assert.doesNotMatch(stdout, /future/);
  }
});

for (const [when, cut] of [
  ['before the answer', (request: IncomingMessage) => request.socket.destroy()],
  [
    'in the middle of the answer',
    (request: IncomingMessage, response: ServerResponse) => {
      response
        .writeHead(200, { 'content-length': '1000' })
        .write('{"repositories":[', () => request.socket.destroy());
    },
  ],
] as const) {
  test(`the network is cut ${when}: one sentence, and of a change that it may have been done`, async (t) => {
    const server = await startServer(t, cut);
    for (const command of READING) {
      const { exitCode, stderr, stdout } = await berthAt(server.url, command);
      assert.deepEqual([exitCode, stdout], [1, ''], command.join(' '));
      assert.match(
        stderr,
        /^berth: the connection to 127\.0\.0\.1:\d+ was cut \([\w ]+\)\n$/,
        command.join(' '),
      );
    }
    for (const command of CHANGING) {
      const { exitCode, stderr, stdout } = await berthAt(server.url, command);
      assert.deepEqual([exitCode, stdout], [1, ''], command.join(' '));
      assert.match(
        stderr,
        /was cut \([\w ]+\): the request may have taken effect, so check before you repeat it\n$/,
      );
    }
  });
}

function berthAt(url: string, command: readonly string[]) {
  return runBerthIn(
    { DOCKER_CONFIG: '/nowhere', BERTH_SERVER: url, BERTH_TOKEN: `admin:${ADMIN_PASSWORD}` },
    ...command,
  );
}

/** A server that answers as the test says. */
async function startServer(
  scope: CleanupScope,
  answer: (request: IncomingMessage, response: ServerResponse) => unknown,
): Promise<{ readonly url: string; readonly requests: readonly string[] }> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  defer(scope, async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** The same value with a field more in each of its objects. */
function withMore(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withMore);
  if (typeof value !== 'object' || value === null) return value;
  const more = Object.entries(value).map(([name, part]) => [name, withMore(part)]);
  return { ...Object.fromEntries(more), future: { kind: 'of the future' } };
}

async function childrenOf(pid: number): Promise<readonly string[]> {
  const tasks = await readdir(`/proc/${pid}/task`);
  const lists = await Promise.all(
    tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8')),
  );
  return lists.flatMap((list) => list.split(' ').filter(Boolean));
}
