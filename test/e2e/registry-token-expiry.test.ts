import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startAgent } from '../support/agent-process.ts';
import { startDockerd } from '../support/dockerd.ts';
import { imageFolder } from '../support/image-cache.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { setUpPodman } from '../support/podman.ts';
import { pseudoRandomStream } from '../support/pseudo-random.ts';
import { pushLayout } from '../support/push-layout.ts';
import { type RegistryProcess, startRegistry } from '../support/registry-process.ts';
import { runCommand } from '../support/run-command.ts';
import { startSlowProxy } from '../support/slow-proxy.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { makeBigImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

const adminPassword = 'right-password';
/** Seconds; docker takes every token for one of a minute at least. */
const LIFE = 60;
/** Bytes; as much as a real large layer by `BERTH_TEST_PUSH_BYTES=2147483648`, which takes no longer and much of a machine. */
const SIZE = Number(process.env.BERTH_TEST_PUSH_BYTES ?? 24 * 1024 * 1024);
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

const options = { skip: unlessRoot(), timeout: 600_000, concurrency: true };
const patience = { timeoutMs: 500_000 };

test('a push goes on whose token ends in the middle of a layer', options, async (t) => {
  await Promise.all([
    t.test('docker', async (t) => {
      const { registry, archive, host } = await setUp(t);
      const { docker } = await startDockerd(t);
      await docker(['login', '--username=admin', '--password-stdin', host], { input: adminPassword });
      await docker(['import', archive, `${host}/team/large:1`], patience);
      await docker(['push', `${host}/team/large:1`], patience);
      assert.ok(uploads(registry).some((seconds) => seconds > LIFE + 30));
    }),
    t.test('podman', async (t) => {
      const { registry, archive, host } = await setUp(t);
      const { podman } = await setUpPodman(t);
      await podman(['login', '--tls-verify=false', '--username=admin', '--password-stdin', host], {
        input: adminPassword,
      });
      await podman(['import', archive, `${host}/team/large:1`], patience);
      await podman(['push', '--tls-verify=false', `${host}/team/large:1`], patience);
      assert.ok(uploads(registry).some((seconds) => seconds > LIFE + 30));
    }),
    t.test('the agent', async (t) => {
      const { registry, host } = await setUp(t);
      const source = await startRegistry(t);
      const image = await makeBigImage(await imageFolder(t), SIZE);
      await pushLayout(image, `${source.host}/team/large:1`);
      const { docker } = await startAgent(t);
      await docker(['login', '--username=admin', '--password-stdin', host], { input: adminPassword });
      await docker(['pull', `${source.host}/team/large:1`], patience);
      await docker(['tag', `${source.host}/team/large:1`, `${host}/team/large:1`]);
      const { stdout } = await docker(['push', `${host}/team/large:1`], patience);
      assert.match(stdout, new RegExp(`digest: ${image.digest} `));
      assert.ok(uploads(registry).some((seconds) => seconds > LIFE + 30));
    }),
  ]);
});
