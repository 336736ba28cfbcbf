import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startDockerd } from '../support/dockerd.ts';
import { setUpPodman } from '../support/podman.ts';
import { pseudoRandomStream } from '../support/pseudo-random.ts';
import { type RegistryProcess, startRegistry } from '../support/registry-process.ts';
import { runCommand } from '../support/run-command.ts';
import { startSlowProxy } from '../support/slow-proxy.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

const adminPassword = 'right-password';
/** Seconds; docker takes every token for one of a minute at least. */
const LIFE = 60;
const SIZE = 24 * 1024 * 1024;
/** With the half minute for which clocks may differ. */
const RATE = SIZE / (LIFE + 35);

/** The seconds that uploads took, by the log. */
function uploads(registry: RegistryProcess): readonly number[] {
  const lines = registry
    .process()
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{'));
  return lines
    .map((line) => JSON.parse(line))
    .filter(({ method, status }) => method === 'PATCH' && status === 202)
    .map(({ ms }) => ms / 1000);
}

/** A registry behind a connection so slow that a layer takes longer than a token counts, and that layer. */
async function setUp(t: TestContext) {
  const registry = await startRegistry(t, { adminPassword, args: ['--token-life', `${LIFE}s`] });
  const port = await startSlowProxy(t, Number(registry.host.split(':')[1]), RATE);
  const folder = await makeTempDir(t, 'large');
  await writeFile(join(folder, 'data'), pseudoRandomStream(SIZE, 'large'));
  const archive = join(folder, 'rootfs.tar');
  await runCommand('tar', ['-C', folder, '-cf', archive, 'data']);
  return { registry, archive, host: `127.0.0.1:${port}` };
}

const options = { skip: unlessRoot(), timeout: 240_000, concurrency: true };

test('a push goes on whose token ends in the middle of a layer', options, async (t) => {
  await Promise.all([
    t.test('docker', async (t) => {
      const { registry, archive, host } = await setUp(t);
      const { docker } = await startDockerd(t);
      await docker(['login', '--username=admin', '--password-stdin', host], { input: adminPassword });
      await docker(['import', archive, `${host}/team/large:1`]);
      await docker(['push', `${host}/team/large:1`], { timeoutMs: 200_000 });
      assert.ok(uploads(registry).some((seconds) => seconds > LIFE + 30));
    }),
    t.test('podman', async (t) => {
      const { registry, archive, host } = await setUp(t);
      const { podman } = await setUpPodman(t);
      await podman(['login', '--tls-verify=false', '--username=admin', '--password-stdin', host], {
        input: adminPassword,
      });
      await podman(['import', archive, `${host}/team/large:1`]);
      await podman(['push', '--tls-verify=false', `${host}/team/large:1`], { timeoutMs: 200_000 });
      assert.ok(uploads(registry).some((seconds) => seconds > LIFE + 30));
    }),
  ]);
});
