import assert from 'node:assert/strict';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { makeBuildContext } from '../support/build-context.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { hostRemains, settledRemains } from '../support/host-remains.ts';
import { imageFolder } from '../support/image-cache.ts';
import { killDuring, killWhile } from '../support/kill-while.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { pushLayout } from '../support/push-layout.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { makeBigImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

/** So large that a kill finds the agent still at it. */
const SIZE = 80_000_000;
const CLASSIC = { env: { DOCKER_BUILDKIT: '0' } };

describe('docker build, its agent killed in the middle', {
  skip: unlessRoot(),
  timeout: 3_600_000,
}, async () => {
  if (unlessRoot() !== false) return;
  const scope = { after };
  const { registry, agent, image } = await startAgentWithImage(scope);
  const proxy = await startFaultProxy(scope, registry.url);
  const proxied = new URL(proxy.url).host;
  // What is made once and kept, such as the bridge.
  await agent.docker(['run', '--rm', image, 'true']);

  async function build(folder: string, args: readonly string[] = [], options = {}): Promise<string> {
    const tag = args.includes('--push') ? [] : ['--tag', 'killed'];
    const all = ['build', ...tag, ...args, folder];
    const { stdout, stderr } = await agent.docker(all, options);
    return stdout + stderr;
  }

  const incoming = async () =>
    (await readdir(join(agent.dataDir, 'layers'))).filter((name) => name.startsWith('.'));
  const writesLayer = async () => {
    const sizes = (await incoming()).map((name) => sizeOf(join(agent.dataDir, 'layers', name, 'layer.tar')));
    return (await Promise.all(sizes)).some((size) => size > 1 << 20);
  };

  /** What there is besides whole layers, whole images and copies of clients' folders. */
  async function remains() {
    const { mounts, descriptors: _, packetFilter, ...rest } = await hostRemains(agent, new Set());
    const uploads = await readdir(join(agent.dataDir, 'content', 'uploads'), { recursive: true }).catch(
      () => [],
    );
    const contexts = await readdir(join(agent.dataDir, 'build-contexts')).catch(() => []);
    const others = mounts.filter((path) => !path.startsWith(join(agent.dataDir, 'layers')));
    return {
      ...rest,
      packetFilter: packetFilter.length,
      others,
      uploads,
      contexts,
      incoming: await incoming(),
    };
  }
  // Its root filesystem is deleted after docker has had its answer, and its supervisor and its link may end after that.
  await settledRemains(agent, new Set());
  const clean = await remains();

  async function nothingIsLeft(): Promise<void> {
    const settled = async () => JSON.stringify(await remains()) === JSON.stringify(clean);
    await waitUntil('nothing is left', settled).catch(() => undefined);
    assert.deepEqual(await remains(), clean);
  }

  async function restartClean(): Promise<void> {
    await agent.restart();
    await nothingIsLeft();
  }

  async function makeFolder(t: TestContext, copy: string, make: string): Promise<string> {
    const dockerfile = `FROM ${image}\nRUN echo ${t.name.replace(/\W/g, '')} > /first\n${copy}\nRUN ls -l /in/* | awk '{print $5}' > /sizes\n`;
    const folder = await makeBuildContext(t, dockerfile);
    await inFolder(folder, make);
    return folder;
  }

  async function inFolder(folder: string, command: string): Promise<void> {
    await runCommand('sh', ['-c', `cd ${folder} && ${command}`]);
  }

  const makeBig = (size: number) => `truncate -s ${size} big`;

  for (const [api, options, cached] of [
    ['buildx', { env: { BUILDKIT_PROGRESS: 'plain' } }, /RUN echo .*\n#\d+ CACHED/],
    ['the classic API', CLASSIC, /RUN echo .*\n ---> Using cache/],
  ] as const) {
    for (const [what, copy, make] of [
      ['COPY', 'COPY big /in/', makeBig],
      [
        'ADD of an archive',
        'ADD big.tar /in/',
        (size: number) => `${makeBig(size)} && tar -czf big.tar big && rm big`,
      ],
    ] as const) {
      test(`in the middle of ${what}, by ${api}`, async (t) => {
        let size = SIZE;
        const folder = await makeFolder(t, copy, make(size));
        const begin = async (attempt: number) => {
          size = SIZE + attempt;
          if (attempt > 0) await inFolder(folder, make(size));
          await build(folder, [], options);
        };
        await killDuring(agent, 'a layer is written', begin, writesLayer);
        await restartClean();
        assert.match(await build(folder, [], options), cached);
        const { stdout } = await agent.docker(['run', '--rm', 'killed', 'cat', '/sizes']);
        assert.equal(stdout, `${size}\n`);
        await nothingIsLeft();
      });
    }
  }

  test('while buildx sends the context', async (t) => {
    let size = SIZE;
    const folder = await makeFolder(t, 'COPY big /in/', makeBig(size));
    const begin = async (attempt: number) => {
      size = SIZE + attempt;
      await inFolder(folder, makeBig(size));
      await build(folder);
    };
    const synced = join(agent.dataDir, 'build-synced');
    await killDuring(agent, 'the context is on its way', begin, async () => {
      const files = await readdir(synced, { recursive: true }).catch(() => []);
      const sizes = await Promise.all(files.map((name) => sizeOf(join(synced, name))));
      return sizes.some((size) => size > 1 << 20 && size < SIZE);
    });
    await restartClean();
    await build(folder);
    assert.equal((await agent.docker(['run', '--rm', 'killed', 'cat', '/sizes'])).stdout, `${size}\n`);
  });

  test('in the middle of the pull of the base', async (t) => {
    const base = 'team/base:1';
    await pushLayout(await makeBigImage(await imageFolder(scope), 9_000_000), `${registry.host}/${base}`);
    let stalled = 0;
    proxy.setFaults((request) => {
      if (!/\/blobs\//.test(request.url ?? '')) return undefined;
      stalled += 1;
      return { stallAfter: 100_000 };
    });
    const folder = await makeBuildContext(t, `FROM ${proxied}/${base}\nRUN echo made > /made\n`);
    const building = build(folder).catch((error: Error) => error);
    await killWhile(agent, 'the base is on its way', () => stalled > 0);
    assert.ok((await building) instanceof Error);
    proxy.setFaults(() => undefined);
    await restartClean();
    await build(folder);
    assert.equal((await agent.docker(['run', '--rm', 'killed', 'cat', '/made'])).stdout, 'made\n');
  });

  test('in the middle of the push', async (t) => {
    const name = `${proxied}/team/pushed:1`;
    const dockerfile = `FROM ${image}\nRUN head -c 9000000 /dev/urandom > /big\nRUN wc -c < /big > /size\n`;
    const folder = await makeBuildContext(t, dockerfile);
    let uploads = 0;
    proxy.setFaults((request) => {
      if (request.method !== 'PATCH' && request.method !== 'PUT') return undefined;
      uploads += 1;
      return { delay: 2_000 };
    });
    const building = build(folder, ['--push', '--tag', name]).catch((error: Error) => error);
    await killWhile(agent, 'a layer is on its way', () => uploads > 0);
    assert.ok((await building) instanceof Error);
    proxy.setFaults(() => undefined);
    await restartClean();
    assert.match(
      await build(folder, ['--progress=plain', '--push', '--tag', name]),
      /RUN head .*\n#\d+ CACHED/,
    );
    await agent.docker(['rmi', name]);
    assert.equal((await agent.docker(['run', '--rm', name, 'cat', '/size'])).stdout, '9000000\n');
  });

  for (const type of ['oci', 'tar']) {
    test(`in the middle of the output type=${type}`, async (t) => {
      const folder = await makeFolder(t, 'COPY big /in/', makeBig(SIZE));
      await build(folder);
      const to = join(await makeTempDir(t, 'output'), 'out.tar');
      const args = ['--output', `type=${type},dest=${to}`];
      const begin = async () => {
        await rm(to, { force: true });
        await build(folder, args);
      };
      await killDuring(agent, 'the output is on its way', begin, async () => {
        const size = await sizeOf(to);
        return size > 1 << 20 && size < SIZE;
      });
      await restartClean();
      await build(folder, args);
      const { stdout } = await runCommand('tar', ['-tf', to]);
      assert.match(stdout, type === 'tar' ? /^\.?\/?in\/big$/m : /^index\.json$/m);
      await nothingIsLeft();
    });
  }
});

/** Bytes of a file, 0 where it is not there. */
async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() ? found.size : 0;
}
