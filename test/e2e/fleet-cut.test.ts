import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { dockerAt } from '../support/docker-cli.ts';
import { GATEWAY, plugIn, startHostMachine } from '../support/host-machine.ts';
import { basicAuthorization } from '../support/http-client.ts';
import { imageFolder } from '../support/image-cache.ts';
import { postJson } from '../support/joined-host.ts';
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
/** Milliseconds. */
const CUT = 10_000;
/** Longer than the cut, so that what lasts so long goes on during it. */
const LONG = '15s';
/** Ends while the network is cut. */
const JOB = 'sleep 5';

test('a network that is cut for ten seconds, in every state of a rollout, changes no end', {
  skip: unlessRoot(),
}, async (t) => {
  await plugIn();
  const registry = await startRegistry(t, {
    address: GATEWAY,
    adminPassword: PASSWORD,
    env: { BERTH_LOG_LEVEL: 'warn' },
  });
  const machine = await startHostMachine(t, 'web1', 1);
  const agent = machine.start(`berth-agent serve --insecure-registry ${registry.host}`);
  await agent.waitForLine(/^berth-agent is ready: /m);
  const images = await imageFolder(t);
  for (const [tag, size] of Object.entries({ small: 1000, large: 64 * 1024 * 1024 })) {
    const user = { name: 'admin', password: PASSWORD };
    await pushLayout(await makeBigImage(images, size), `${registry.host}/team/web:${tag}`, user);
  }
  const made = await postJson(`${registry.url}/api/v1/host-tokens`, {}, ADMIN);
  const { token } = (await made.json()) as { token: string };
  const insecure = `--insecure-registry ${registry.host}`;
  await machine.run(`berth-agent join ${registry.url} ${token} --name ${machine.name} ${insecure}`);
  await agent.waitForLine(/connected to the registry of the fleet/);
  const docker = await dockerAt(t, `unix://${machine.socket}`);

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
      deploy: { update_config: { monitor } },
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
      const { hosts = [] } = await get(app, 'rollout');
      assert.ok(phases.includes(String(hosts[0]?.phase)), JSON.stringify(hosts));
    });
  const inState = (app: string, wanted: string) =>
    untilPasses(async () => {
      const { releases = [] } = await get(app, 'releases');
      assert.equal(releases[0]?.state, wanted);
    });
  const states = async (app: string) => {
    const { releases = [] } = await get(app, 'releases');
    return releases.map(({ state, reason }) => `${state}${reason === null ? '' : `: ${reason}`}`);
  };

  const stubborn = { command: ['sh', '-c', 'trap "" TERM; while :; do sleep 1; done'], init: false };
  const afterJob = { depends_on: { migrate: { condition: 'service_completed_successfully' } } };
  const unhealthy = { healthcheck: { test: ['CMD', 'false'], interval: '100ms', retries: 1 } };
  await deploy('draining', { ...stubborn, stop_grace_period: LONG });
  await deploy('returning');
  await untilPasses(async () => assert.deepEqual(await states('draining'), ['done']));
  await untilPasses(async () => assert.deepEqual(await states('returning'), ['done']));
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
    const { stdout } = await docker.docker(['ps', '--format', '{{.Names}}']);
    assert.match(stdout, /migrating-migrate/);
  });
  await deploy('returning', { ...stubborn, stop_grace_period: LONG, ...unhealthy });
  await inState('returning', 'rolling back');
  await deploy('fetching', { image: `${registry.host}/team/web:large` });
  // A quick machine may have it all already.
  await inPhase('fetching', 'fetching', 'starting', 'healthy');

  await runCommand('ip', ['link', 'set', machine.cable, 'down']);
  await deploy('waiting');
  await docker.docker(['exec', 'starting-web-1', 'touch', '/ready']);
  await sleep(CUT);
  await runCommand('ip', ['link', 'set', machine.cable, 'up']);

  for (const app of ['draining', 'starting', 'watching', 'migrating', 'fetching', 'waiting']) {
    const wanted = app === 'draining' ? ['done', 'done'] : ['done'];
    await untilPasses(async () => assert.deepEqual(await states(app), wanted, app));
  }
  await untilPasses(async () => {
    const [newest, ...before] = await states('returning');
    assert.match(String(newest), /^rolled back: web1: web 1 is unhealthy/);
    assert.deepEqual(before, ['done']);
  });
  await untilPasses(async () => {
    const { stdout } = await docker.docker(['ps', '-a', '--format', '{{.Names}}']);
    const apps = ['draining', 'fetching', 'migrating', 'returning', 'starting', 'waiting', 'watching'];
    const left = [...apps.map((app) => `${app}-web-1`), 'migrating-migrate-1'].sort();
    assert.deepEqual(stdout.trim().split('\n').sort(), left);
  });
});
