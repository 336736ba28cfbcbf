// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Dockerfiles have variables of their own.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { startAgent } from '../support/agent-process.ts';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { makeBuildContext } from '../support/build-context.ts';
import { imageFolder } from '../support/image-cache.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { pushLayout } from '../support/push-layout.ts';
import { runCommand } from '../support/run-command.ts';
import { setUpSkopeo } from '../support/skopeo.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { makeMultiArchImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

const BOTH = ['--platform', 'linux/amd64,linux/arm64'];
const INDEX = 'application/vnd.oci.image.index.v1+json';
const HOST = process.arch === 'arm64' ? 'arm64' : 'amd64';
const FOREIGN = HOST === 'amd64' ? 'arm64' : 'amd64';

interface Index {
  readonly mediaType: string;
  readonly manifests: readonly {
    readonly digest: string;
    readonly platform: { readonly architecture: string };
  }[];
}

describe('docker build for several platforms', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const scope = { after };
  const { registry, agent, image } = await startAgentWithImage(scope);
  const base = `${registry.host}/team/multi:1`;
  await pushLayout(await makeMultiArchImage(await imageFolder(scope)), base);
  const { docker } = agent;

  async function build(args: readonly string[], options = {}): Promise<string> {
    return (await docker(['build', '--progress=plain', ...args], options)).stderr;
  }

  async function architecture(name: string, on = docker): Promise<string> {
    return (await on(['image', 'inspect', '--format', '{{.Architecture}}', name])).stdout.trim();
  }

  async function inRegistry(
    name: string,
    tag = '1',
  ): Promise<{ readonly type: string | null; readonly index: Index }> {
    const answer = await fetch(`${registry.url}/v2/team/${name}/manifests/${tag}`, {
      headers: { accept: `${INDEX}, application/vnd.oci.image.manifest.v1+json` },
    });
    return { type: answer.headers.get('content-type'), index: (await answer.json()) as Index };
  }

  test('--push gives an index; what runs on this host is made by it for the others', async (t) => {
    const dockerfile = `FROM --platform=$BUILDPLATFORM ${image} AS make
ARG TARGETARCH
RUN echo "made on $(uname -m) for $TARGETARCH" > /made
FROM ${base}
COPY --from=make /made /made
ENV WHERE=there
`;
    const context = await makeBuildContext(t, dockerfile);
    const name = `${registry.host}/team/app:1`;
    const printed = await build([...BOTH, '--push', '--tag', name, context]);
    assert.match(printed, /\[linux\/amd64 stage-1 2\/2\] COPY --from=make/);
    assert.match(printed, /\[linux\/arm64 stage-1 2\/2\] COPY --from=make/);
    assert.equal(await architecture(name), HOST);
    const { type, index } = await inRegistry('app');
    assert.equal(type, INDEX);
    assert.deepEqual(index.manifests.map(({ platform }) => platform.architecture).sort(), ['amd64', 'arm64']);

    const other = await startAgent(t);
    const { stdout } = await other.docker(['run', '--rm', name, 'sh', '-c', 'echo $WHERE; cat /made']);
    const machine = (await runCommand('uname', ['-m'])).stdout.trim();
    assert.equal(stdout, `there\nmade on ${machine} for ${HOST}\n`);
    await other.docker(['pull', '--quiet', '--platform', `linux/${FOREIGN}`, name]);
    assert.equal(await architecture(name, other.docker), FOREIGN);
    const id = (await other.docker(['create', '--platform', `linux/${FOREIGN}`, name])).stdout.trim();
    const { stdout: tar } = await other.docker(['cp', `${id}:/made`, '-']);
    assert.match(tar, new RegExp(`made on ${machine} for ${FOREIGN}`));
    const { skopeo } = await setUpSkopeo(t);
    const { stdout: raw } = await skopeo(['inspect', '--raw', `docker://${name}`]);
    assert.equal(JSON.parse(raw).mediaType, INDEX);

    const again = await build([...BOTH, '--push', '--tag', name, context]);
    assert.match(again, /\[linux\/arm64 stage-1 2\/2\] COPY --from=make \/made \/made\n#\d+ CACHED/);
    assert.deepEqual((await inRegistry('app')).index, index);
  });

  test('a base of another platform leaves the tag to what runs here', async (t) => {
    await docker(['pull', '--quiet', base]);
    const context = await makeBuildContext(t, `FROM ${base}\nCOPY Dockerfile /d\n`);
    for (const options of [{}, { env: { DOCKER_BUILDKIT: '0' } }]) {
      await docker(['build', '--platform', `linux/${FOREIGN}`, '--tag', 'foreign', context], options);
      assert.equal(await architecture('foreign'), FOREIGN);
      assert.equal(await architecture(base), HOST);
    }
    await docker(['run', '--rm', base, 'true']);
  });

  test('the tag carries the index with it, until the image is built for one platform', async (t) => {
    const context = await makeBuildContext(t, 'FROM scratch\nCOPY Dockerfile /d\n');
    await build([...BOTH, '--tag', 'local:1', context]);
    await docker(['tag', 'local:1', `${registry.host}/team/tagged:1`]);
    await docker(['push', `${registry.host}/team/tagged:1`]);
    assert.equal((await inRegistry('tagged')).index.manifests.length, 2);
    await build(['--tag', 'local:1', context]);
    const inspected = await docker(['image', 'inspect', '--format', '{{.Config.WorkingDir}}', 'local:1']);
    assert.equal(inspected.stdout, '/\n', 'as BuildKit has it of scratch');
    await docker(['push', `${registry.host}/team/tagged:1`]);
    assert.equal((await inRegistry('tagged')).type, 'application/vnd.oci.image.manifest.v1+json');
  });

  test('an image of it that was removed is missed in a sentence, and comes back with the next build', async (t) => {
    const context = await makeBuildContext(t, 'FROM scratch\nCOPY Dockerfile /of-the-pruned\n');
    const name = `${registry.host}/team/pruned:1`;
    await build([...BOTH, '--tag', name, context]);
    await docker(['image', 'prune', '--force']);
    const { stderr } = await docker(['push', name], { expectExit: 1 });
    assert.match(
      stderr,
      /the image was built for several platforms, and sha256:\w+ of it was removed: build it again/,
    );
    await build([...BOTH, '--tag', name, '--push', context]);
    assert.equal((await inRegistry('pruned')).index.manifests.length, 2);
  });

  test('an OCI archive has the index; layers are compressed as is said', async (t) => {
    const tar = join(await makeTempDir(t, 'archive'), 'image.tar');
    const context = await makeBuildContext(t, `FROM ${base}\nCOPY Dockerfile /d\n`);
    await build([...BOTH, '--output', `type=oci,dest=${tar},name=archived:1,compression=zstd`, context]);
    const { skopeo } = await setUpSkopeo(t);
    const to = `docker://${registry.host}/team/archived:1`;
    await skopeo(['copy', '--all', `oci-archive:${tar}`, to]);
    const { index } = await inRegistry('archived');
    assert.equal(index.manifests.length, 2);
    for (const { digest } of index.manifests) {
      const manifest = await fetch(`${registry.url}/v2/team/archived/manifests/${digest}`, {
        headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
      });
      const { layers } = (await manifest.json()) as { layers: readonly { mediaType: string }[] };
      assert.equal(layers.at(-1)?.mediaType, 'application/vnd.oci.image.layer.v1.tar+zstd');
    }
  });

  test('a cache holds the steps of all platforms, for a host that has built nothing', async (t) => {
    // What is drawn on this host goes into both images.
    const dockerfile = `FROM --platform=$BUILDPLATFORM ${image} AS make
ARG TARGETARCH
RUN mkdir /out && cat /proc/sys/kernel/random/uuid > /out/made
FROM ${base}
COPY --from=make /out/made /made
COPY Dockerfile /d
`;
    const context = await makeBuildContext(t, dockerfile);
    const folder = join(await makeTempDir(t, 'cache'), 'cache');
    const reference = (tag: string) => `${registry.host}/team/both:${tag}`;
    const to = (tag: string, mode: string) => [
      '--cache-to',
      `type=registry,ref=${reference(tag)},mode=${mode}`,
    ];
    const first = await build([
      ...[...BOTH, ...to('max', 'max'), ...to('min', 'min'), '--tag', reference('inline'), '--push'],
      ...['--cache-to', `type=local,dest=${folder},mode=max`, '--cache-to', 'type=inline', context],
    ]);
    assert.equal([...first.matchAll(/exporting cache to .*max\n/g)].length, 1, 'one cache for all');
    const { index } = await inRegistry('both', 'inline');
    const made = ['amd64 COPY', 'amd64 RUN', 'arm64 COPY', 'arm64 RUN'];
    assert.deepEqual(executed(first), made);
    for (const [from, again] of [
      [`type=registry,ref=${reference('max')}`, []],
      [`type=local,src=${folder}`, []],
      // The stage that makes is in neither image.
      [`type=registry,ref=${reference('min')}`, ['amd64 RUN', 'arm64 RUN']],
      [`type=registry,ref=${reference('inline')}`, ['amd64 RUN', 'arm64 RUN']],
    ] as const) {
      const fresh = await startAgent(t);
      const { stderr } = await fresh.docker([
        ...['build', '--progress=plain', ...BOTH, '--cache-from', from, '--tag', reference('fresh')],
        ...['--push', context],
      ]);
      const steps = executed(stderr);
      assert.deepEqual(
        again.length === 0 ? steps : steps.filter((step) => step.endsWith('RUN')),
        again,
        from,
      );
      if (again.length > 0) continue;
      const layers = async (tag: string) => {
        const { manifests } = (await inRegistry('both', tag)).index;
        return await Promise.all(
          manifests.map(async ({ digest }) => {
            const manifest = await fetch(`${registry.url}/v2/team/both/manifests/${digest}`, {
              headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
            });
            return ((await manifest.json()) as { layers: readonly { digest: string }[] }).layers;
          }),
        );
      };
      assert.equal(index.manifests.length, 2);
      assert.deepEqual(await layers('fresh'), await layers('inline'), 'the very layers');
    }
  });

  test('what there is no way to do is refused in a sentence', async (t) => {
    const context = await makeBuildContext(t, `FROM ${base}\nCOPY Dockerfile /d\n`);
    for (const [args, message] of [
      [['--output', 'type=tar,dest=/dev/null'], /the output type=tar has a place for one platform/],
      [['--output', `type=local,dest=${context}/out`], /the output type=local has a place for one platform/],
    ] as const) {
      assert.match(await build([...BOTH, ...args, context], { expectExit: 1 }), message);
    }
    const runs = await makeBuildContext(t, `FROM ${base}\nRUN true\n`);
    const printed = await build([...['--platform', `linux/${HOST},linux/s390x`], runs], { expectExit: 1 });
    assert.match(printed, /no matching manifest for linux\/s390x/);
    const foreign = await makeBuildContext(t, 'FROM scratch\nCOPY Dockerfile /d\nRUN ["/d"]\n');
    assert.match(
      await build(['--platform', 'linux/riscv64,linux/s390x', foreign], { expectExit: 1 }),
      /RUN needs programs of linux\/(riscv64|s390x), and this host runs linux\/\w+ and has no emulator/,
    );
  });
});

/** The kinds of steps that were not taken from a cache, by platform. What steps print comes between that of others. */
function executed(printed: string): readonly string[] {
  const cached = new Set([...printed.matchAll(/^#(\d+) CACHED$/gm)].map(([, number]) => number));
  const steps = [...printed.matchAll(/^#(\d+) \[linux\/(\w+)[^\]]* \d+\/\d+\] (RUN|COPY) /gm)]
    .filter(([, number]) => !cached.has(number))
    .map(([, , platform, kind]) => `${platform} ${kind}`);
  return [...new Set(steps)].sort();
}
