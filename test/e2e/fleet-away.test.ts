import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Docker, dockerAt } from '../support/docker-cli.ts';
import { GATEWAY, type HostMachine, plugIn, startHostMachine } from '../support/host-machine.ts';
import { basicAuthorization } from '../support/http-client.ts';
import { imageFolder } from '../support/image-cache.ts';
import { postJson } from '../support/joined-host.ts';
import { makeMovedClock } from '../support/moved-clock.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { pushLayout } from '../support/push-layout.ts';
import { startRegistry } from '../support/registry-process.ts';
import { runCommand } from '../support/run-command.ts';
import { makeBigImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';

enterOwnNetwork();

const PASSWORD = 'a password of tests';
const ADMIN = { Authorization: basicAuthorization('admin', PASSWORD) };
/** Seconds. */
const TEN_MINUTES = 600;
const DAY = 86_400;
/** Longer than the host is away, by the clock of the machine. */
const LONG = '30s';
/** Goes on while the host is away. */
const JOB = 'sleep 5';
/** Milliseconds in which an agent tries to connect several times. */
const TRIES = 5000;

interface Host {
  readonly machine: HostMachine;
  readonly docker: Docker;
}

test('a host that is away for ten minutes takes up what was decided, and for a day nothing restarts', {
  skip: unlessRoot(),
}, async (t) => {
  await plugIn();
  const clock = await makeMovedClock(t);
  const registry = await startRegistry(t, {
    address: GATEWAY,
    adminPassword: PASSWORD,
    env: { BERTH_LOG_LEVEL: 'warn', ...clock.env },
  });
  const images = await imageFolder(t);
  for (const [tag, size] of Object.entries({ small: 1000, large: 64 * 1024 * 1024 })) {
    const user = { name: 'admin', password: PASSWORD };
    await pushLayout(await makeBigImage(images, size), `${registry.host}/team/web:${tag}`, user);
  }
  const moved = Object.entries(clock.env).map(([name, value]) => `${name}=${value}`);
  const hosts: Host[] = [];
  for (const [number, name] of [
    [1, 'web1'],
    [2, 'web2'],
  ] as const) {
    const machine = await startHostMachine(t, name, number);
    const insecure = `--insecure-registry ${registry.host}`;
    const agent = machine.start(`env ${moved.join(' ')} berth-agent serve ${insecure}`);
    await agent.waitForLine(/^berth-agent is ready: /m);
    const made = await postJson(`${registry.url}/api/v1/host-tokens`, {}, ADMIN);
    const { token } = (await made.json()) as { token: string };
    await machine.run(`berth-agent join ${registry.url} ${token} --name ${name} ${insecure}`);
    await agent.waitForLine(/connected to the registry of the fleet/);
    hosts.push({ machine, docker: await dockerAt(t, `unix://${machine.socket}`) });
  }
  const [away] = hosts;
  assert.ok(away !== undefined);

  const appPath = (app: string) => `${registry.url}/api/v1/apps/${encodeURIComponent(app)}`;
  const get = async (app: string, what: string) => {
    const answer = await fetch(`${appPath(app)}/${what}`, { headers: ADMIN });
    return answer.json() as Promise<Record<string, Record<string, unknown>[]>>;
  };
  const deploy = async (app: string, changes: object = {}, monitor = '200ms', more: object = {}) => {
    const web = {
      image: `${registry.host}/team/web:small`,
      command: ['sleep', '600'],
      init: true,
      healthcheck: { test: ['CMD', 'true'], interval: '100ms' },
      deploy: { mode: 'global', update_config: { monitor } },
      ...changes,
    };
    const answer = await postJson(
      `${appPath(app)}/releases`,
      { compose: { services: { web, ...more } } },
      ADMIN,
    );
    assert.equal(answer.status, 201, await answer.text());
  };
  const inPhase = (app: string, ...phases: readonly string[]) =>
    untilPasses(async () => {
      const { hosts: seen = [] } = await get(app, 'rollout');
      const host = seen.find((one) => one.host === 'web1');
      assert.ok(phases.includes(String(host?.phase)), JSON.stringify(seen));
    });
  const inState = (app: string, wanted: string) =>
    untilPasses(async () => {
      const { releases = [] } = await get(app, 'releases');
      assert.equal(releases[0]?.state, wanted);
    });
  const ends = (app: string, ...wanted: readonly string[]) =>
    untilPasses(async () => {
      const { releases = [] } = await get(app, 'releases');
      assert.deepEqual(
        releases.map(({ state, reason }) => `${state}${reason === null ? '' : `: ${reason}`}`),
        wanted,
        app,
      );
    });

  const stubborn = { command: ['sh', '-c', 'trap "" TERM; while :; do sleep 1; done'], init: false };
  const afterJob = { depends_on: { migrate: { condition: 'service_completed_successfully' } } };
  const unhealthy = { healthcheck: { test: ['CMD', 'false'], interval: '100ms', retries: 1 } };
  await deploy('draining', { ...stubborn, stop_grace_period: LONG });
  await deploy('returning');
  await ends('draining', 'done');
  await ends('returning', 'done');
  await deploy('starting', {
    healthcheck: { test: ['CMD-SHELL', 'test -e /ready'], interval: '100ms', retries: 1000 },
  });
  await inPhase('starting', 'starting');
  await deploy('draining', { environment: { RELEASE: '2' } });
  await inPhase('draining', 'draining');
  await deploy('watching', {}, LONG);
  await inPhase('watching', 'healthy');
  await deploy('migrating', afterJob, '200ms', {
    migrate: { image: `${registry.host}/team/web:small`, command: ['sh', '-c', JOB] },
  });
  await untilPasses(async () => {
    const { stdout } = await away.docker.docker(['ps', '--format', '{{.Names}}']);
    assert.match(stdout, /migrating-migrate/);
  });
  await deploy('returning', { ...stubborn, stop_grace_period: LONG, ...unhealthy });
  await inState('returning', 'rolling back');
  await deploy('fetching', { image: `${registry.host}/team/web:large` });
  // A quick machine may have it all already.
  await inPhase('fetching', 'fetching', 'starting', 'healthy');

  await runCommand('ip', ['link', 'set', away.machine.cable, 'down']);
  await deploy('waiting');
  await clock.move(TEN_MINUTES);
  for (const { docker } of hosts) {
    await untilPasses(async () => {
      const { stdout } = await docker.docker(['ps', '--quiet', '--filter', 'name=starting-web']);
      await docker.docker(['exec', stdout.trim(), 'touch', '/ready']);
    });
  }
  await sleep(TRIES);
  await runCommand('ip', ['link', 'set', away.machine.cable, 'up']);
  for (const app of ['draining', 'fetching', 'starting', 'waiting', 'watching']) {
    await ends(app, ...(app === 'draining' ? ['done', 'done'] : ['done']));
  }
  // No other host may run them, and it was away for longer than a host has.
  await ends('migrating', 'failed: web1, which runs the jobs, was offline for 300 s');
  await ends('returning', 'rolled back: web1: web 1 is unhealthy: its health check failed with 1: ', 'done');
  const apps = ['draining', 'fetching', 'returning', 'starting', 'waiting', 'watching'];
  const instances = async () => {
    const all: string[][] = [];
    for (const { docker } of hosts) {
      const { stdout } = await docker.docker(['ps', '-a', '--no-trunc', '--format', '{{.Names}} {{.ID}}']);
      all.push(stdout.trim().split('\n').sort());
    }
    return all;
  };
  await untilPasses(async () => {
    const names = (await instances()).map((lines) => lines.map((line) => line.split('-web-')[0]));
    assert.deepEqual(names, [apps, apps]);
  });

  const before = await instances();
  await registry.stop();
  await clock.move(DAY);
  await sleep(TRIES);
  assert.deepEqual(await instances(), before, 'nothing was made anew');
  for (const { docker } of hosts) {
    const { stdout } = await docker.docker(['ps', '--format', '{{.Status}}']);
    assert.ok(!/Restarting|Exited/.test(stdout), stdout);
  }
  await registry.restart();
  await untilPasses(() => deploy('waiting', { environment: { RELEASE: '2' } }));
  await ends('waiting', 'done', 'done');
});
