import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { removeMembership } from '../../runtime-agent/fleet/membership.ts';
import { startAgent } from '../support/agent-process.ts';
import { runBerthIn } from '../support/berth-command.ts';
import { defer } from '../support/cleanup.ts';
import { AGENT_CACHE } from '../support/compile-cache.ts';
import { eventually } from '../support/eventually.ts';
import { startFleetRegistry } from '../support/fleet-registry.ts';
import { freePort } from '../support/free-port.ts';
import { imageFolder } from '../support/image-cache.ts';
import { readManifest } from '../support/oci-layout.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { AGENT_PROGRAM } from '../support/programs.ts';
import { pushLayout } from '../support/push-layout.ts';
import { ADMIN_PASSWORD } from '../support/registry-with-accounts.ts';
import { runCommand } from '../support/run-command.ts';
import { openWebSocket, startSteadyClients } from '../support/steady-clients.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { makeStackedImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';

enterOwnNetwork();

const ROOT = join(import.meta.dirname, '../..');
/** Keeps connections, has WebSockets, takes BOOT ms to start, and ignores SIGTERM. */
const SERVER = `
  process.on('SIGTERM', () => undefined);
  const { createServer } = require('node:http');
  const { WebSocketServer } = require('/modules/ws');
  const { NAME, BOOT } = process.env;
  const server = createServer((request, response) => {
    request.resume();
    request.once('end', () => response.writeHead(200, { 'x-backend': NAME }).end('ok'));
  });
  new WebSocketServer({ server }).on('connection', (socket) => {
    socket.on('message', (message) => socket.send(NAME + ': ' + message));
  });
  setTimeout(() => server.listen(8080), Number(BOOT));
`;

/** Complaints about other tools, by their numbers. Each app below runs on the one host. */
describe('on a host', { skip: unlessRoot(), timeout: 900_000 }, async () => {
  const scope = { after };

  const registry = await startFleetRegistry(scope);
  const folder = await makeTempDir(scope, 'complaints');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const agent = await startAgent(scope, { args: ['--ingress', `127.0.0.1:${port}`] });
  // An agent without a fleet does not start again what the end of the test removes.
  defer(scope, async () => {
    await removeMembership(agent.dataDir);
    await agent.restart();
  });
  const joining = ['join', registry.url, await registry.joinToken(), '--data', agent.dataDir];
  await runCommand(process.execPath, [AGENT_PROGRAM, ...joining, '--name', 'web1', '--allow', 'bind'], {
    env: AGENT_CACHE,
  });
  await eventually('the host is connected', async () =>
    (await registry.hosts.find('web1'))?.connected ? true : undefined,
  );

  const image = (tag = 'main') => `${new URL(registry.url).host}/team/web:${tag}`;
  const push = async (file: string, tag?: string) => {
    const made = await makeStackedImage(await imageFolder(scope), [file], 1000);
    await pushLayout(made, image(tag), { name: 'admin', password: ADMIN_PASSWORD });
    return made;
  };
  const berth = (...args: readonly string[]) =>
    runBerthIn(
      { BERTH_SERVER: registry.url, BERTH_TOKEN: `admin:${ADMIN_PASSWORD}`, DOCKER_CONFIG: folder },
      ...args,
    );
  /** Deploys services; answers the exit code and what was printed. */
  const deploy = async (app: string, services: object, more: object = {}, ...args: readonly string[]) => {
    const file = join(folder, 'compose.yaml');
    await writeFile(file, JSON.stringify({ services, ...more }).replaceAll('$', '$$$$'));
    const { exitCode, stderr } = await berth('deploy', app, file, '--timeout', '60s', ...args);
    return { exitCode, stderr };
  };
  const succeed = async (...args: Parameters<typeof deploy>) => {
    const { exitCode, stderr } = await deploy(...args);
    assert.equal(exitCode, 0, stderr);
  };
  const newest = async (app: string) => {
    const { stdout } = await berth('history', app, '--format', 'jsonl', '--limit', '1');
    return JSON.parse(stdout) as { release: number; state: string; reason: string | null };
  };
  const containers = async (app: string, format = '{{.ID}}') => {
    const project = `label=com.docker.compose.project=${app.replaceAll('/', '-')}`;
    const { stdout } = await agent.docker(['ps', '--filter', project, '--format', format]);
    return stdout.trim().split('\n').filter(Boolean);
  };
  const removeApp = async (app: string) => {
    assert.equal((await berth('rm', app, '--yes')).exitCode, 0);
    await untilPasses(async () => assert.deepEqual(await containers(app), []));
  };

  await push('one');

  test('complaint 1: no request fails and no WebSocket is cut while an app updates that boots slowly and ignores SIGTERM', async (t) => {
    const app = 'team/steady';
    const web = (name: string, boot: number) => ({
      web: {
        image: image(),
        command: ['/node/node', '-e', SERVER],
        environment: { NAME: name, BOOT: String(boot) },
        volumes: [
          `${dirname(process.execPath)}:/node:ro`,
          `${join(ROOT, 'node_modules/ws')}:/modules/ws:ro`,
          '/usr/lib:/lib:ro',
          '/usr/lib64:/lib64:ro',
        ],
        stop_grace_period: '10s',
        deploy: { update_config: { monitor: '1s' } },
        'x-berth': { route: { host: 'steady.test', port: 8080, health: '/' } },
      },
    });
    await succeed(app, web('one', 0));
    const clients = startSteadyClients(t, url, 'steady.test', 8);
    const socket = await openWebSocket(t, url, 'steady.test');
    assert.equal(await socket.echo('hello'), 'one: hello');
    const updated = deploy(app, web('two', 3000));
    await eventually('the new instance has requests', () =>
      (clients.answered.get('two') ?? 0) > 20 ? true : undefined,
    );
    assert.equal(await socket.echo('still there'), 'one: still there');
    socket.close();
    const { exitCode, stderr } = await updated;
    assert.equal(exitCode, 0, stderr);
    await clients.stop();
    assert.deepEqual([...clients.failed], []);
    assert.deepEqual([...clients.answered.keys()], ['one', 'two']);
    await removeApp(app);
  });

  test('complaint 3: an instance that crashes, is never healthy, or is so for a moment only brings the old one back', async () => {
    const app = 'team/gate';
    const web = (script: string, more: object = {}) => ({
      web: {
        image: image(),
        command: ['sh', '-c', script],
        stop_grace_period: '1s',
        deploy: { update_config: { monitor: '5s' } },
        ...more,
      },
    });
    const healthcheck = { interval: '200ms', retries: 2, timeout: '5s' };
    await succeed(app, web('exec sleep 600', { healthcheck: { ...healthcheck, test: ['CMD', 'true'] } }));
    const [old] = await containers(app);
    for (const [script, test, reason] of [
      ['echo no database; exit 3', 'true', /web 1 exited with code 3.*no database/],
      [
        'exec sleep 600',
        'echo not yet; false',
        /web 1 is unhealthy: its health check failed with 1: not yet/,
      ],
      ['sleep 3; echo out of ideas; exit 7', 'true', /web 1 exited with code 7.*out of ideas/],
    ] as const) {
      const health = { ...healthcheck, test: ['CMD-SHELL', test] };
      const { exitCode, stderr } = await deploy(app, web(script, { healthcheck: health }));
      assert.equal(exitCode, 3, stderr);
      assert.match(stderr, reason);
      assert.deepEqual(await containers(app), [old], stderr);
      const { state, reason: kept } = await newest(app);
      assert.equal(state, 'rolled back');
      assert.match(kept ?? '', reason);
    }
    await removeApp(app);
  });

  test('complaint 4: a rollback that fails is reported as such, with exit code 4', async () => {
    const app = 'team/one-way';
    const db = (script: string) => ({
      db: {
        image: image(),
        command: ['sh', '-c', script],
        volumes: ['data:/data'],
        stop_grace_period: '1s',
        deploy: { update_config: { order: 'stop-first', monitor: '1s' } },
      },
    });
    const volumes = { volumes: { data: {} } };
    await succeed(app, db('test -e /data/new && echo a newer format && exit 1; exec sleep 600'), volumes);
    const { exitCode, stderr } = await deploy(app, db('touch /data/new; exit 3'), volumes);
    assert.equal(exitCode, 4, stderr);
    assert.match(
      stderr,
      /^team\/one-way: release 2 failed, and so did the rollback: web1: .*exited with code/m,
    );
    const { state, reason } = await newest(app);
    assert.equal(state, 'rollback failed');
    assert.match(reason ?? '', /web1: /);
    await removeApp(app);
  });

  test('complaint 8: a host pulls without a credential of anybody, also when who deployed has left', async () => {
    const app = 'team/leaver';
    const password = ADMIN_PASSWORD;
    await registry.addUser('leaver', { 'team/*': 'maintainer' });
    await writeFile(
      join(folder, 'compose.yaml'),
      JSON.stringify({
        services: {
          web: {
            image: image('leaver'),
            command: ['sleep', '600'],
            stop_grace_period: '1s',
            deploy: { update_config: { monitor: '200ms' } },
          },
        },
      }),
    );
    await push('two', 'leaver');
    const made = await runBerthIn(
      { BERTH_SERVER: registry.url, BERTH_TOKEN: `leaver:${password}`, DOCKER_CONFIG: folder },
      ...['deploy', app, join(folder, 'compose.yaml'), '--follow'],
    );
    assert.equal(made.exitCode, 0, made.stderr);
    assert.equal((await registry.manage('DELETE', '/users/leaver')).status, 204);
    await push('three', 'leaver');
    await untilPasses(async () => {
      const { release, state } = await newest(app);
      assert.deepEqual({ release, state }, { release: 2, state: 'done' });
    });
    const { stdout } = await runCommand('sh', [
      '-c',
      'grep -rlF "$1" "$2" || true',
      'sh',
      password,
      agent.dataDir,
    ]);
    assert.equal(stdout, '');
    const pulled = await agent.docker(['pull', image('leaver')], { expectExit: 'any' });
    assert.match(pulled.stderr, /unauthorized|denied|authentication required/);
    await removeApp(app);
  });

  test('complaint 9: an image that cannot be pulled stops nothing', async () => {
    const app = 'team/pulls';
    const ports = [`${await freePort()}:80`];
    const web = (tag: string) => ({
      web: {
        image: image(tag),
        command: ['sh', '-c', 'mkdir /www; echo here >/www/index.html; exec httpd -f -p 80 -h /www'],
        ports,
        stop_grace_period: '1s',
        deploy: { update_config: { order: 'stop-first', monitor: '200ms' } },
      },
    });
    await succeed(app, web('main'));
    const [old = ''] = await containers(app);
    const began = async () =>
      (await agent.docker(['inspect', '--format', '{{.State.StartedAt}}', old])).stdout;
    const before = await began();
    const { layout, digest } = await push('four', 'damaged');
    const layer = (await readManifest(layout, digest)).layers?.at(-1)?.digest ?? '';
    const file = `${layer.replace('sha256:', '')}.*`;
    const { stdout } = await runCommand('find', [registry.data, '-name', file]);
    await rm(stdout.trim(), { recursive: true });
    const { exitCode, stderr } = await deploy(app, web('damaged'), {}, '--timeout', '3s');
    assert.equal(exitCode, 3, stderr);
    assert.deepEqual(await containers(app), [old]);
    assert.equal(await began(), before, 'it was stopped and started again');
    const answer = await fetch(`http://127.0.0.1:${ports[0]?.split(':')[0]}/`);
    assert.equal(await answer.text(), 'here\n');
    await removeApp(app);
  });

  test('complaint 13: the name of a service leads to healthy instances, through updates and a restart of the agent', async () => {
    const app = 'team/names';
    const services = (text: string, test: string) => ({
      web: {
        image: image(),
        command: [
          ...['sh', '-c'],
          `mkdir /www; echo ${text} >/www/index.html; httpd -p 80 -h /www; until [ -e /end ]; do sleep 0.1; done; exit 3`,
        ],
        healthcheck: { test: ['CMD-SHELL', test], interval: '200ms', retries: 1000 },
        stop_grace_period: '1s',
        deploy: { update_config: { monitor: '200ms' } },
      },
      client: {
        image: image(),
        command: ['sleep', '6000'],
        stop_grace_period: '1s',
        deploy: { update_config: { monitor: '200ms' } },
      },
    });
    /** What so many requests to `http://web/` answer. */
    const ask = async (times: number) => {
      const loop = `for i in $(seq ${times}); do wget -T 5 -qO- http://web/ || echo failed; done`;
      const { stdout } = await agent.docker(['exec', 'team-names-client-1', 'sh', '-c', loop]);
      return new Set(stdout.trim().split('\n'));
    };
    await succeed(app, services('one', 'true'));
    assert.deepEqual(await ask(5), new Set(['one']));

    const failing = deploy(app, services('two', 'false'));
    const { id, address } = await eventually('the new instance runs', async () => {
      const [line] = (await containers(app, '{{.ID}} {{.Names}}')).filter((text) =>
        text.includes('web-1-r2'),
      );
      const [id = ''] = line?.split(' ') ?? [];
      if (id === '') return undefined;
      const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
      const address = (await agent.docker(['inspect', '--format', format, id])).stdout.trim();
      return address === '' ? undefined : { id, address };
    });
    await untilPasses(async () => assert.equal(await (await fetch(`http://${address}/`)).text(), 'two\n'));
    assert.deepEqual(await ask(30), new Set(['one']), 'an instance that is not healthy has requests');
    await agent.docker(['exec', id, 'touch', '/end']);
    assert.equal((await failing).exitCode, 3);
    assert.deepEqual(await ask(5), new Set(['one']));

    const updated = succeed(app, services('three', 'true'));
    const seen = new Set<string>();
    do {
      for (const text of await ask(10)) seen.add(text);
    } while (!seen.has('three'));
    await updated;
    assert.deepEqual([...seen].sort(), ['one', 'three']);
    assert.deepEqual(await ask(5), new Set(['three']));

    await agent.kill();
    await agent.restart();
    assert.deepEqual(await ask(10), new Set(['three']));
    await removeApp(app);
  });
});
