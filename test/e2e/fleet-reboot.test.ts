import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ServiceSpec } from '../../fleet/service.ts';
import type { Digest } from '../../oci/digest.ts';
import { startFleetHost } from '../support/fleet-host.ts';
import { appTarget, serviceSpec, serviceTarget } from '../support/fleet-targets.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';

enterOwnNetwork({ ownRun: true });

const APP = 'team/shop';
const COMMAND = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done'];

test('after a reboot without the registry, all that ran is healthy again, and no release has failed', {
  skip: unlessRoot(),
}, async (t) => {
  const bootId = join(await makeTempDir(t, 'boot'), 'boot_id');
  await writeFile(bootId, `${randomUUID()}\n`);
  await runCommand('mount', ['--bind', bootId, '/proc/sys/kernel/random/boot_id']);
  const host = await startFleetHost(t);
  const image = {
    repository: 'team/app',
    digest: host.images[0].digest as Digest,
  };
  const service = (name: string, more: Partial<ServiceSpec> = {}) =>
    serviceTarget(
      {
        ...serviceSpec(name),
        command: COMMAND,
        update: { ...serviceSpec(name).update, monitor: 1000 },
        ...more,
      },
      image,
    );
  const services = [service('web', { restart: { name: 'always', maximumRetryCount: 0 } }), service('plain')];
  host.registry.setApps(appTarget(1, services));
  await host.registry.reported(APP, ({ phase, release }) => phase === 'healthy' && release === 1);
  const running = async () =>
    (await host.agent.docker(['ps', '--format', '{{.ID}}'])).stdout.trim().split('\n').sort();
  const pidOf = async (id: string) =>
    Number((await host.agent.docker(['inspect', '--format', '{{.State.Pid}}', id])).stdout);
  const before = await running();
  assert.equal(before.length, 2);

  for (let reboot = 1; reboot <= 2; reboot += 1) {
    host.registry.setReachable(false);
    const seen = host.registry.history.length;
    const pids = await Promise.all(before.map(pidOf));
    await host.agent.kill();
    // What a power cut takes: every process, what is in memory, and the boot ID.
    for (const id of before) await host.run('pkill', ['-KILL', '-f', `[c]onmon.*${id}`]);
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await runCommand('umount', ['-l', '/run/berth-agent']);
    await runCommand('mount', ['-t', 'tmpfs', 'tmpfs', '/run/berth-agent']);
    await writeFile(bootId, `${randomUUID()}\n`);
    await host.agent.restart();
    await untilPasses(async () => assert.deepEqual(await running(), before));
    host.registry.setReachable(true);
    await host.registry.waitUntilConnected();
    await host.registry.reported(
      APP,
      ({ instances, phase }) => phase === 'healthy' && instances.length === 2,
    );
    assert.deepEqual(
      host.registry.history.slice(seen).filter(({ phase }) => phase === 'failed'),
      [],
    );
    assert.deepEqual(await running(), before);
  }
});
