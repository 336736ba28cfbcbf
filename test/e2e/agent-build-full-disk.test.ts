import assert from 'node:assert/strict';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { agentMounts, removeRunDirectory, startAgent } from '../support/agent-process.ts';
import { makeBuildContext } from '../support/build-context.ts';
import { defer } from '../support/cleanup.ts';
import { imageFolder } from '../support/image-cache.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { pushLayout } from '../support/push-layout.ts';
import { startRegistry } from '../support/registry-process.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { makeBusyboxImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

const FULL = /no space is left on the disk of the data folder: free some/;
const CLASSIC = { env: { DOCKER_BUILDKIT: '0' } };
/** Bytes that no file system and no compressor makes fewer. */
const BIG = 'head -c 8000000 /dev/urandom';

/** An agent whose data folder is a small file system, on which hardly anything is left while a test wants it so. */
describe('docker build on a full disk', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const scope = { after };
  const registry = await startRegistry(scope);
  const image = `${registry.host}/team/busybox:1`;
  await pushLayout(await makeBusyboxImage(await imageFolder(scope)), image);
  const place = await makeTempDir(scope, 'full');
  await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', place]);
  const dataDir = join(place, 'data');
  await mkdir(dataDir);
  defer(scope, () => removeRunDirectory(dataDir));
  const agent = await startAgent(scope, { args: ['--data', dataDir] });
  await agent.docker(['pull', '--quiet', image]);

  async function build(folder: string, args: readonly string[] = [], options = {}): Promise<string> {
    const { stdout, stderr } = await agent.docker(['build', '--tag', 'full', ...args, folder], options);
    return stdout + stderr;
  }

  /** The room of what was removed comes back in the background. */
  async function untilAllIsFreed(): Promise<void> {
    await waitUntil('nothing is about to be freed', async () =>
      (await left()).every((name) => !name.includes('/.')),
    );
  }

  /** Takes all but three mebibytes; gives them back at the end of the test, too. */
  async function fill(t: { after(fn: () => Promise<void>): void }): Promise<() => Promise<void>> {
    await untilAllIsFreed();
    const ballast = join(place, 'ballast');
    await runCommand('sh', ['-c', `head -c 70000000 /dev/zero > ${ballast} || true`]);
    await runCommand('truncate', ['-s', '-3M', ballast]);
    const empty = () => rm(ballast, { force: true });
    t.after(empty);
    return empty;
  }

  /** What builds may leave: layers and images that were there before, and nothing of their own. */
  async function left(): Promise<readonly string[]> {
    const folders = ['containers', 'snapshots', 'build-contexts', 'layers'].map(async (folder) =>
      (await readdir(join(dataDir, folder)).catch(() => [])).map((name) => `${folder}/${name}`),
    );
    const mounts = (await agentMounts({ ...agent, dataDir })).filter(
      (path) => !path.startsWith(join(dataDir, 'layers')),
    );
    const images = (await agent.docker(['images', '--all', '--quiet', '--no-trunc'])).stdout.split('\n');
    return [...(await Promise.all(folders)).flat(), ...mounts, ...images].sort();
  }

  async function failsAndRecovers(
    t: { after(fn: () => Promise<void>): void },
    message: RegExp,
    attempt: () => Promise<string>,
  ): Promise<void> {
    await untilAllIsFreed();
    const before = await left();
    const empty = await fill(t);
    await assert.rejects(attempt(), (error: Error) => {
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /failed unexpectedly/);
      return true;
    });
    const settled = async () => JSON.stringify(await left()) === JSON.stringify(before);
    await waitUntil('what the build made is gone', settled).catch(() => undefined);
    assert.deepEqual(await left(), before);
    await empty();
    await attempt();
    await agent.docker(['rmi', '--force', 'full'], { expectExit: 'any' });
    await agent.docker(['builder', 'prune', '--all', '--force']);
  }

  for (const [api, options] of [
    ['buildx', {}],
    ['the classic API', CLASSIC],
  ] as const) {
    test(`RUN writes more than there is room for, by ${api}`, async (t) => {
      const folder = await makeBuildContext(
        t,
        `FROM ${image}\nRUN dd if=/dev/urandom of=/big bs=1M count=8\n`,
      );
      await failsAndRecovers(t, /[Nn]o space left on device/, () => build(folder, [], options));
    });

    test(`the layer of a RUN has no room beside what it wrote, by ${api}`, async (t) => {
      const folder = await makeBuildContext(t, `FROM ${image}\nRUN head -c 2000000 /dev/urandom > /big\n`);
      await failsAndRecovers(t, FULL, () => build(folder, [], options));
    });

    test(`COPY has no room for what the client sends, by ${api}`, async (t) => {
      const folder = await makeBuildContext(t, `FROM ${image}\nCOPY big /\n`);
      await runCommand('sh', ['-c', `${BIG} > ${folder}/big`]);
      await failsAndRecovers(t, FULL, () => build(folder, [], options));
    });

    test(`COPY has no room for its layer, by ${api}`, async (t) => {
      const folder = await makeBuildContext(t, `FROM ${image}\nCOPY big /\n`);
      await runCommand('sh', ['-c', `head -c 2000000 /dev/urandom > ${folder}/big`]);
      await failsAndRecovers(t, FULL, () => build(folder, [], options));
    });

    test(`ADD has no room for what an archive unpacks to, by ${api}`, async (t) => {
      const folder = await makeBuildContext(t, `FROM ${image}\nADD big.tar.gz /\n`);
      await runCommand('sh', [
        '-c',
        `cd ${folder} && head -c 20000000 /dev/zero > zeros && tar -czf big.tar.gz zeros && rm zeros`,
      ]);
      await failsAndRecovers(t, FULL, () => build(folder, [], options));
    });
  }

  test('a push has no room for its compressed layers', async (t) => {
    const name = `${registry.host}/team/pushed:1`;
    const folder = await makeBuildContext(t, `FROM ${image}\nRUN ${BIG} > /big\n`);
    await build(folder, ['--tag', name]);
    const empty = await fill(t);
    const { stderr } = await agent.docker(['push', name], { expectExit: 1 });
    assert.match(stderr, FULL);
    await empty();
    await agent.docker(['push', name]);
  });

  test('an archive that goes to a client whose disk is full fails the build alone', async (t) => {
    const folder = await makeBuildContext(t, `FROM ${image}\nRUN ${BIG} > /big\n`);
    const small = await makeTempDir(t, 'small');
    await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', small]);
    for (const type of ['oci', 'docker', 'tar']) {
      const to = (place: string) => build(folder, ['--output', `type=${type},dest=${place}/out.tar`]);
      await assert.rejects(to(small), /no space left on device/);
      await to(await makeTempDir(t, 'room'));
    }
    await assert.rejects(
      build(folder, ['--output', `type=local,dest=${small}/out`]),
      /no space left on device/,
    );
  });
});
