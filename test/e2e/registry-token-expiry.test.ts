import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startAgent } from '../support/agent-process.ts';
import { startDockerd } from '../support/dockerd.ts';
import { imageFolder } from '../support/image-cache.ts';
import { longerWait } from '../support/longest-wait.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { setUpPodman } from '../support/podman.ts';
import { pseudoRandomStream } from '../support/pseudo-random.ts';
import { pushLayout } from '../support/push-layout.ts';
import { type RegistryProcess, startRegistry } from '../support/registry-process.ts';
import { runCommand } from '../support/run-command.ts';
import { startSlowDownloads } from '../support/slow-downloads.ts';
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

const options = { skip: unlessRoot(), timeout: 900_000, concurrency: true };
const patience = {
  timeoutMs: longerWait(500_000, 'docker takes every token for one of a minute, and the layer outlives it'),
};

/** What the log tells of answers, in their order. */
function answersOf(registry: RegistryProcess) {
  const lines = registry.process().output().split('\n');
  const parsed = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  return parsed.map(({ time, method, path, status }) => ({
    seconds: Date.parse(time) / 1000,
    method: String(method),
    path: String(path),
    status: Number(status),
  }));
}

test('what goes on though its token ends in the middle of a layer', options, async (t) => {
  await Promise.all([
    t.test('a push by docker', async (t) => {
      const { registry, archive, host } = await setUp(t);
      const { docker } = await startDockerd(t);
      await docker(['login', '--username=admin', '--password-stdin', host], { input: adminPassword });
      await docker(['import', archive, `${host}/team/large:1`], patience);
      await docker(['push', `${host}/team/large:1`], patience);
      assert.ok(uploads(registry).some((seconds) => seconds > LIFE + 30));
    }),
    t.test('a push by podman', async (t) => {
      const { registry, archive, host } = await setUp(t);
      const { podman } = await setUpPodman(t);
      await podman(['login', '--tls-verify=false', '--username=admin', '--password-stdin', host], {
        input: adminPassword,
      });
      await podman(['import', archive, `${host}/team/large:1`], patience);
      await podman(['push', '--tls-verify=false', `${host}/team/large:1`], patience);
      assert.ok(uploads(registry).some((seconds) => seconds > LIFE + 30));
    }),
    t.test('a push by the agent', async (t) => {
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
    t.test('a pull by the agent', async (t) => {
      const registry = await startRegistry(t, { adminPassword, args: ['--token-life', `${LIFE}s`] });
      const image = await makeBigImage(await imageFolder(t), SIZE);
      const reference = `${registry.host}/team/large:1`;
      await pushLayout(image, reference, { name: 'admin', password: adminPassword });
      // Four connections one after the other; the last begins when the first token has not counted for a while.
      const way = { rate: SIZE / (LIFE + 70), after: SIZE / 4 };
      const port = await startSlowDownloads(t, Number(registry.host.split(':')[1]), way);
      const host = `127.0.0.1:${port}`;
      const { docker } = await startAgent(t);
      await docker(['login', '--username=admin', '--password-stdin', host], { input: adminPassword });
      const { stdout } = await docker(['pull', `${host}/team/large:1`], patience);
      assert.match(stdout, new RegExp(`Digest: ${image.digest}\n`));
      const answers = answersOf(registry);
      const parts = answers.filter(
        ({ method, path, status }) => method === 'GET' && path.includes('/blobs/') && status === 206,
      );
      const [first] = answers.filter(
        ({ method, path, status }) => method === 'GET' && path.includes('/blobs/') && status < 300,
      );
      const tokens = answers.filter(({ path, status }) => path.startsWith('/token') && status === 200);
      const last = parts.at(-1);
      assert.ok(first !== undefined && last !== undefined, 'it went on where it was');
      assert.ok(last.seconds - first.seconds > LIFE + 30, 'the first token counted to the end');
      assert.ok(
        tokens.some(({ seconds }) => seconds > first.seconds + LIFE / 2),
        'no other token was fetched meanwhile',
      );
    }),
  ]);
});
