import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import type { ServiceSpec } from '../../fleet/service.ts';
import type { AppTarget } from '../../fleet/target.ts';
import type { Digest } from '../../oci/digest.ts';
import type { AgentProcess } from '../support/agent-process.ts';
import { eventually } from '../support/eventually.ts';
import { startFleetHost } from '../support/fleet-host.ts';
import { appTarget, serviceSpec, serviceTarget } from '../support/fleet-targets.ts';
import { readManifest } from '../support/oci-layout.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import type { TestImage } from '../support/test-image.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

const APP = 'team/shop';
const SERVE = 'mkdir /www; echo $VERSION >/www/index.html; exec httpd -f -p 80 -h /www';
const monitor = { ...serviceSpec('x').update, monitor: 300 };

test('a host joins, runs its target, updates it without a gap, and goes back', {
  skip: unlessRoot(),
}, async (t) => {
  const { registry, agent, images } = await startFleetHost(t);
  assert.equal((await stat(join(agent.dataDir, 'fleet'))).mode & 0o777, 0o700);
  for (const name of await readdir(join(agent.dataDir, 'fleet'))) {
    assert.equal((await stat(join(agent.dataDir, 'fleet', name))).mode & 0o777, 0o600, name);
  }
  registry.setApps(webTarget(1, images[0]));
  const first = await registry.reported(APP, ({ phase }) => phase === 'healthy');
  assert.equal(first.release, 1);
  const [web] = first.instances;
  assert.deepEqual(
    { ...web, container: '', startedAt: 0 },
    {
      service: 'web',
      instance: 1,
      release: 1,
      container: '',
      image: images[0].digest,
      state: 'running',
      health: 'healthy',
      restarts: 0,
      startedAt: 0,
    },
  );
  const contents = await readdir(join(agent.dataDir, 'content'), { recursive: true });
  const blobs = contents.map((path) => `sha256:${basename(path).split('.')[0]}`);
  assert.ok(blobs.includes(images[0].digest), contents.join());
  const { layers = [] } = await readManifest(images[0].layout, images[0].digest);
  assert.deepEqual(
    layers.filter(({ digest }) => blobs.includes(digest)),
    [],
    'a compressed layer is kept',
  );
  assert.match(
    await dockerText(agent, ['ps', '--format', '{{.Names}} {{.Label "com.docker.compose.project"}}']),
    /^team-shop-web-1 team-shop$/m,
  );
  assert.ok(registry.logins.some((login) => login === '' || login.startsWith('Basic ')));

  registry.setApps(webTarget(2, images[1]));
  const second = await registry.reported(APP, ({ phase, release }) => phase === 'healthy' && release === 2);
  assert.deepEqual(
    second.instances.map(({ release, state }) => ({ release, state })),
    [{ release: 2, state: 'running' }],
  );
  const phases = registry.history.filter(({ release }) => release === 2).map(({ phase }) => phase);
  assert.deepEqual(
    [...new Set(phases)].filter((phase) => phase !== 'fetching'),
    ['starting', 'draining', 'healthy'],
  );
  // What ran before is removed after it was watched, and the name is the short one again.
  await eventually('only the new one is left', async () => {
    const names = await dockerText(agent, ['ps', '-a', '--format', '{{.Names}}']);
    return names.trim() === 'team-shop-web-1' ? true : undefined;
  });

  const failing = webTarget(3, images[0], { command: ['sh', '-c', 'echo no database; exit 3'] });
  registry.setApps(failing);
  const third = await registry.reported(
    APP,
    ({ phase, instances }) => phase === 'failed' && instances.length === 1,
  );
  assert.equal(third.release, 3);
  assert.match(third.reason ?? '', /^web 1 exited with code 3.*: no database/);
  assert.deepEqual(
    third.instances.map(({ release, state }) => ({ release, state })),
    [{ release: 2, state: 'running' }],
  );

  registry.setApps();
  await eventually('the app is gone', () => (registry.report(APP) === undefined ? true : undefined));
  assert.equal(await dockerText(agent, ['ps', '-aq']), '');
  await eventually('the image of the fleet is gone', async () =>
    (await dockerText(agent, ['images', '-q'])) === '' ? true : undefined,
  );
});

test('an agent that starts without its registry runs its target', { skip: unlessRoot() }, async (t) => {
  const { registry, agent, images } = await startFleetHost(t);
  registry.setApps(webTarget(1, images[0]));
  await registry.reported(APP, ({ phase }) => phase === 'healthy');
  const started = () =>
    dockerText(agent, ['inspect', '--format', '{{.Id}} {{.State.StartedAt}}', 'team-shop-web-1']);
  const before = await started();
  registry.setReachable(false);
  await agent.kill();
  await agent.restart();
  await agent.process().waitForLine(/the registry of the fleet cannot be reached/);
  assert.equal(await started(), before);
  await agent.docker(['rm', '-f', 'team-shop-web-1']);
  await eventually('the instance is there again', async () => {
    const names = await dockerText(agent, ['ps', '--format', '{{.Names}}']);
    return names.trim() === 'team-shop-web-1' ? true : undefined;
  });
  registry.setApps(webTarget(2, images[1]));
  registry.setReachable(true);
  await registry.reported(APP, ({ phase, release }) => phase === 'healthy' && release === 2);
});

function webTarget(number: number, image: TestImage, spec: Partial<ServiceSpec> = {}): AppTarget {
  const web = serviceSpec('web', {
    command: ['sh', '-c', SERVE],
    environment: { VERSION: String(number) },
    update: monitor,
    ...spec,
  });
  const pinned = { repository: 'team/app', digest: image.digest as Digest };
  return appTarget(number, [serviceTarget(web, pinned, { hash: `web${number}` })]);
}

async function dockerText(agent: AgentProcess, args: readonly string[]): Promise<string> {
  return (await agent.docker(args)).stdout;
}
