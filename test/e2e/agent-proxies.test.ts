import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { startAgent } from '../support/agent-process.ts';
import { makeBuildContext } from '../support/build-context.ts';
import { makeCertificate } from '../support/certificates.ts';
import { defer } from '../support/cleanup.ts';
import { startGitServer } from '../support/git-server.ts';
import { imageFolder } from '../support/image-cache.ts';
import { startProcess } from '../support/managed-process.ts';
import { enterOwnNetwork, HOST_ADDRESS } from '../support/own-network.ts';
import { REGISTRY_PROGRAM } from '../support/programs.ts';
import { pushLayout } from '../support/push-layout.ts';
import { startRegistry } from '../support/registry-process.ts';
import { runCommand } from '../support/run-command.ts';
import { CABLE_ADDRESS, makeSecondHost } from '../support/second-host.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { makeBigImage, makeBusyboxImage } from '../support/test-images.ts';
import { startTinyproxy } from '../support/tinyproxy.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

const LOGIN = { user: 'corp', password: 'hunter2' };
const ADMIN_PASSWORD = 'right-password';

/*
 * Agents on a host whose only cable leads to a proxy that wants a login. The registries, one with TLS and accounts and a
 * plain one, listen on an address that this host has no route to.
 */
describe('an agent behind a proxy', { skip: unlessRoot(), timeout: 3_600_000 }, async () => {
  if (unlessRoot() !== false) return;
  const scope = { after };
  const folder = await makeTempDir(scope, 'proxied');
  const { certificate, key } = await makeCertificate(folder);
  const registry = startProcess(
    scope,
    process.execPath,
    [
      ...[REGISTRY_PROGRAM, 'serve', '--listen', `${HOST_ADDRESS}:0`, '--data', join(folder, 'data')],
      ...['--tls-cert', certificate, '--tls-key', key],
    ],
    { env: { BERTH_ADMIN_PASSWORD: ADMIN_PASSWORD } },
  );
  const [, secure = ''] = await registry.waitForLine(/berth is ready: https:\/\/([\d.]+:\d+)/);
  const open = await startRegistry(scope);
  const plain = await atHostAddress(Number(open.host.split(':')[1]));
  const images = await imageFolder(scope);
  await pushLayout(await makeBusyboxImage(images), `${open.host}/team/app:1`);
  await pushLayout(await makeBigImage(images, 3_000_000), `${open.host}/team/big:1`);
  const there = await makeSecondHost(scope);
  const proxy = await startTinyproxy(scope, CABLE_ADDRESS, LOGIN);
  const address = `http://${LOGIN.user}:${LOGIN.password}@${proxy.address}`;
  const startBehind = (env: readonly string[], args: readonly string[] = []) =>
    startAgent(scope, {
      args: ['--insecure-registry', plain, ...args],
      enter: [...there.enter, 'env', `NODE_EXTRA_CA_CERTS=${certificate}`, ...env],
    });
  const agent = await startBehind([
    `HTTP_PROXY=${address}`,
    `https_proxy=${address}`,
    'NO_PROXY=.lan,10.1.0.0/16',
  ]);
  const { docker } = agent;
  const asked = (what: string) => proxy.process.output().includes(what);

  /** A listener on the address that only the proxy reaches. */
  async function atHostAddress(port: number): Promise<string> {
    const relay = createTcpServer((socket) => {
      const target = connect(port, '127.0.0.1');
      for (const end of [socket, target]) end.on('error', () => end.destroy());
      socket.pipe(target).pipe(socket);
    });
    await new Promise<void>((resolve) => relay.listen(0, HOST_ADDRESS, resolve));
    defer(scope, () => {
      relay.close();
    });
    return `${HOST_ADDRESS}:${(relay.address() as AddressInfo).port}`;
  }

  test('pulls, logs in, pushes and searches by it, with TLS and without', async () => {
    assert.match((await docker(['pull', `${plain}/team/app:1`])).stdout, /Downloaded newer image/);
    await docker(['pull', `${plain}/team/big:1`]);
    assert.equal((await docker(['run', '--rm', `${plain}/team/app:1`, 'echo', 'here'])).stdout, 'here\n');
    const login = ['login', '--username=admin', '--password-stdin', secure];
    assert.match((await docker(login, { input: ADMIN_PASSWORD })).stdout, /Login Succeeded/);
    for (const name of ['app', 'big']) {
      await docker(['tag', `${plain}/team/${name}:1`, `${secure}/team/${name}:1`]);
      assert.match((await docker(['push', `${secure}/team/${name}:1`])).stdout, /\n1: digest: sha256:/);
    }
    await docker(['rmi', `${plain}/team/big:1`, `${secure}/team/big:1`]);
    assert.match((await docker(['pull', `${secure}/team/big:1`])).stdout, /Downloaded newer image/);
    assert.match((await docker(['search', `${plain}/team`])).stdout, /team\/big/);
    assert.ok(
      asked(`CONNECT ${secure}`) && asked(`http://${plain}/v2/team/app/blobs/`),
      proxy.process.output(),
    );
  });

  test('docker info shows the proxies without the login, which no log has', async () => {
    const format = '{{.HTTPProxy}} {{.HTTPSProxy}} {{.NoProxy}}';
    const masked = `http://xxxxx:xxxxx@${proxy.address}`;
    assert.equal(
      (await docker(['info', '--format', format])).stdout,
      `${masked} ${masked} .lan,10.1.0.0/16\n`,
    );
    assert.ok(!agent.process().output().includes(LOGIN.password));
  });

  test('builds by it: images, files, git repositories and caches', async (t) => {
    const content = 'from afar\n';
    const server = createServer((request, response) => {
      if (request.url === '/file') response.end(content);
      else response.writeHead(302, { location: '/file' }).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    const files = await atHostAddress((server.address() as AddressInfo).port);
    const digest = createHash('sha256').update(content).digest('hex');
    const base = `${plain}/team/big:1`;
    await docker(['rmi', '--force', base]);
    const context = await makeBuildContext(
      t,
      `FROM ${base} AS big\nFROM ${plain}/team/app:1\nADD --checksum=sha256:${digest} http://${files}/moved /file\nRUN cat /file; env\n`,
    );
    const cache = `type=registry,ref=${secure}/team/cache:1`;
    const build = async (...args: readonly string[]) =>
      (await docker(['build', '--progress=plain', '--tag', 'built', ...args])).stderr;
    const output = await build('--cache-to', cache, context);
    assert.match(output, / from afar\n/);
    assert.ok(!output.includes(proxy.address), output);
    assert.match(await build('--cache-from', cache, context), /importing cache manifest from/);

    const root = join(folder, 'git');
    const git = (...args: readonly string[]) =>
      runCommand('git', ['-C', root, '-c', 'user.name=t', '-c', 'user.email=t@t', ...args]);
    await mkdir(root);
    await git('init', '--quiet', '--initial-branch=main');
    await writeFile(join(root, 'Dockerfile'), `FROM ${plain}/team/app:1\nCOPY Dockerfile /\n`);
    await git('add', '.');
    await git('commit', '--quiet', '-m', 'first');
    const repositories = await startGitServer(t, folder);
    const remote = await atHostAddress(Number(new URL(repositories.url).port));
    await build(`http://${remote}/git/.git#main`);
    assert.ok(asked(`http://${remote}/git/.git/info/refs`), proxy.process.output());
  });

  test('the proxies of the client reach steps and containers, and neither history nor cache', async (t) => {
    const client = { noProxy: 'lan', httpProxy: 'http://client:3128' };
    const configure = (httpProxy: string) =>
      writeFile(
        join(agent.config, 'config.json'),
        JSON.stringify({ proxies: { default: { ...client, httpProxy } } }),
      );
    await configure('http://client:3128');
    const context = await makeBuildContext(
      t,
      `FROM ${plain}/team/app:1\nRUN echo "$HTTP_PROXY $http_proxy $NO_PROXY" | tee /seen\n`,
    );
    for (const env of [{ DOCKER_BUILDKIT: '0' }, { DOCKER_BUILDKIT: '1' }]) {
      const build = async (...args: readonly string[]) => {
        const all = ['build', '--tag', 'proxied', ...args, context];
        const { stdout, stderr } = await docker(all, { env });
        return stdout + stderr;
      };
      const isBuildkit = env.DOCKER_BUILDKIT === '1';
      assert.match(
        await build('--no-cache', ...(isBuildkit ? ['--progress=plain'] : [])),
        /http:\/\/client:3128 http:\/\/client:3128 lan/,
      );
      await configure('http://other:3128');
      assert.match(
        await build(...(isBuildkit ? ['--progress=plain'] : [])),
        isBuildkit ? /CACHED/ : /Using cache/,
      );
      assert.equal(
        (await docker(['run', '--rm', 'proxied', 'sh', '-c', 'cat /seen; echo $HTTP_PROXY'])).stdout,
        'http://client:3128 http://client:3128 lan\nhttp://other:3128\n',
      );
      const history = await docker(['history', '--no-trunc', 'proxied']);
      const inspected = await docker(['inspect', 'proxied']);
      assert.doesNotMatch(history.stdout + inspected.stdout, /3128/);
      await configure('http://client:3128');
    }
  });

  test('a proxy may have TLS itself', async (t) => {
    const tls = { key: await readFile(key), cert: await readFile(certificate) };
    const [, port = ''] = proxy.address.split(':');
    const front = createTlsServer(tls, (socket) => {
      const target = connect(Number(port), CABLE_ADDRESS);
      for (const end of [socket, target]) end.on('error', () => end.destroy());
      socket.pipe(target).pipe(socket);
    });
    await new Promise<void>((resolve) => front.listen(0, CABLE_ADDRESS, resolve));
    t.after(() => front.close());
    const { port: fronted } = front.address() as AddressInfo;
    const sealed = `https://${LOGIN.user}:${LOGIN.password}@${CABLE_ADDRESS}:${fronted}`;
    const { docker: by } = await startBehind([`HTTP_PROXY=${sealed}`, `HTTPS_PROXY=${sealed}`]);
    await by(['pull', `${plain}/team/app:1`]);
    await by(['login', '--username=admin', '--password-stdin', secure], { input: ADMIN_PASSWORD });
    await by(['pull', `${secure}/team/big:1`]);
  });

  test('a refused login, a proxy that is not there and one that may not be used are told apart', async () => {
    const login = ['--http-proxy', proxy.address, '--https-proxy', address.replace('hunter2', 'wrong1')];
    const wrong = await startBehind([], login);
    const none = await startBehind(['HTTPS_PROXY=10.98.0.1:1'], ['--http-proxy', 'http://10.98.0.1:1']);
    const past = await startBehind([
      `HTTPS_PROXY=${address}`,
      `HTTP_PROXY=${address}`,
      `NO_PROXY=${HOST_ADDRESS}`,
    ]);
    const pull = async ({ docker: by }: typeof agent, image: string) =>
      (await by(['pull', image], { expectExit: 1 })).stderr;
    for (const image of [`${plain}/team/app:1`, `${secure}/team/app:1`]) {
      const said = await pull(wrong, image);
      assert.match(
        said,
        /the proxy http:\/\/(xxxxx:xxxxx@)?10\.98\.0\.1:\d+ requires a login \(it answers 40[17]\)/,
      );
      assert.ok(!(said + wrong.process().output()).includes('wrong1'), said);
      assert.match(
        await pull(none, image),
        /proxyconnect tcp: dial tcp 10\.98\.0\.1:1: connect: connection refused/,
      );
      assert.match(
        await pull(past, image),
        /dial tcp 198\.51\.100\.1:\d+: connect: (no route to host|network is unreachable)/,
      );
    }
  });
});
