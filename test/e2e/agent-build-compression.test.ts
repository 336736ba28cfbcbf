import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { startAgent } from '../support/agent-process.ts';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { makeBuildContext } from '../support/build-context.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { setUpPodman } from '../support/podman.ts';
import { runCommand } from '../support/run-command.ts';
import { setUpSkopeo } from '../support/skopeo.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

const GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip';
const ZSTD = 'application/vnd.oci.image.layer.v1.tar+zstd';
const PLAIN = 'application/vnd.oci.image.layer.v1.tar';

interface Manifest {
  readonly layers: readonly { readonly mediaType: string; readonly digest: string; readonly size: number }[];
}

describe('docker build with layers compressed by option', {
  skip: unlessRoot(),
  timeout: 1_800_000,
}, async () => {
  if (unlessRoot() !== false) return;
  const scope = { after };
  const { registry, agent, image } = await startAgentWithImage(scope);
  const dockerfile = `FROM ${image}\nRUN seq 600000 > /numbers\nCOPY words /\n`;
  const context = await makeBuildContext(scope, dockerfile, { words: 'zstd\n' });

  async function build(args: readonly string[], folder = context): Promise<string> {
    return (await agent.docker(['build', '--progress=plain', ...args, folder])).stderr;
  }

  async function manifestOf(name: string): Promise<Manifest> {
    const answer = await fetch(`${registry.url}/v2/team/${name}/manifests/1`, {
      headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
    });
    return (await answer.json()) as Manifest;
  }

  /** Pushes the image under a name of its own, and answers the media types of its layers. */
  async function pushed(name: string, options: string): Promise<Manifest> {
    await build(['--output', `type=image,name=${registry.host}/team/${name}:1,push=true${options}`]);
    return await manifestOf(name);
  }

  const types = ({ layers }: Manifest) => layers.map(({ mediaType }) => mediaType);

  test('zstd: layers that the build made, those of the base by force; others pull and run it', async (t) => {
    const built = await pushed('zstd', ',compression=zstd');
    assert.deepEqual(types(built), [GZIP, ZSTD, ZSTD]);
    const all = await pushed('forced', ',compression=zstd,force-compression=true');
    assert.deepEqual(types(all), [ZSTD, ZSTD, ZSTD]);
    assert.deepEqual(all.layers.slice(1), built.layers.slice(1));

    const blob = await fetch(`${registry.url}/v2/team/zstd/blobs/${built.layers[1]?.digest}`);
    const tar = await runCommand('sh', ['-c', 'zstd -dc | tar -xO numbers | tail -1'], {
      input: new Uint8Array(await blob.arrayBuffer()),
    });
    assert.equal(tar.stdout, '600000\n');

    const other = await startAgent(t);
    for (const name of ['zstd', 'forced']) {
      const reference = `${registry.host}/team/${name}:1`;
      const { stdout } = await other.docker([
        'run',
        '--rm',
        reference,
        'sh',
        '-c',
        'tail -1 /numbers; cat /words',
      ]);
      assert.equal(stdout, '600000\nzstd\n');
    }
    const { podman } = await setUpPodman(t);
    const name = `${registry.host}/team/forced:1`;
    await podman(['pull', '--quiet', '--tls-verify=false', name]);
    const { stdout } = await podman([
      'run',
      '--rm',
      '--network=none',
      name,
      'sh',
      '-c',
      'tail -1 /numbers; cat /words',
    ]);
    assert.equal(stdout, '600000\nzstd\n');
    const { skopeo, directory } = await setUpSkopeo(t);
    await skopeo(['copy', `docker://${name}`, `dir:${directory}/copy`]);
    const copied = JSON.parse(await readFile(join(directory, 'copy', 'manifest.json'), 'utf8')) as Manifest;
    assert.deepEqual(copied.layers, all.layers);
  });

  test('the same layers and level give the same digests, another level gives others', async (t) => {
    const first = await pushed('first', ',compression=zstd,compression-level=9');
    const second = await pushed('second', ',compression=zstd,compression-level=9');
    const fast = await pushed('fast', ',compression=zstd,compression-level=1');
    assert.deepEqual(first, second);
    assert.ok((first.layers[1]?.size ?? 0) < (fast.layers[1]?.size ?? 0));
    const other = await startAgent(t);
    const layout = join(await makeTempDir(t, 'saved'), 'image.tar');
    await agent.docker(['save', '-o', layout, `${registry.host}/team/first:1`]);
    await other.docker(['load', '-i', layout]);
    const name = `${registry.host}/team/elsewhere:1`;
    await other.docker(['tag', `${registry.host}/team/first:1`, name]);
    await other.docker(['push', name]);
    assert.deepEqual(types(await manifestOf('elsewhere')), [GZIP, GZIP, GZIP]);
  });

  test('gzip of a level, and no option: gzip as ever', async () => {
    const best = await pushed('best', ',compression=gzip,compression-level=9,force-compression=true');
    const worst = await pushed('worst', ',compression=gzip,compression-level=1,force-compression=true');
    const plain = await pushed('plain', '');
    for (const manifest of [best, worst, plain]) assert.deepEqual(types(manifest), [GZIP, GZIP, GZIP]);
    assert.ok((best.layers[1]?.size ?? 0) < (worst.layers[1]?.size ?? 0));
  });

  test('what stands on an image with zstd keeps its layers when it is pushed', async (t) => {
    await pushed('ground', ',compression=zstd,force-compression=true');
    const name = `${registry.host}/team/upon:1`;
    const other = await startAgent(t);
    const folder = await makeBuildContext(t, `FROM ${registry.host}/team/ground:1\nCOPY Dockerfile /d\n`);
    await other.docker(['build', '--push', '--tag', name, folder]);
    const { layers } = await manifestOf('upon');
    assert.deepEqual(layers.slice(0, 3), (await manifestOf('ground')).layers);
    assert.equal(layers[3]?.mediaType, GZIP);
  });

  const archiving = await startAgent(scope);
  for (const [options, expected] of [
    ['', [PLAIN, PLAIN, PLAIN]],
    [',compression=zstd', [GZIP, ZSTD, ZSTD]],
    [',compression=zstd,force-compression=true', [ZSTD, ZSTD, ZSTD]],
    [',compression=gzip', [GZIP, GZIP, GZIP]],
  ] as const) {
    test(`an archive${options}, which the agent and skopeo read`, async (t) => {
      const tar = join(await makeTempDir(t, 'archive'), 'image.tar');
      await archiving.docker([
        'build',
        '--output',
        `type=oci,dest=${tar},name=archived:1${options}`,
        context,
      ]);
      const read = async (path: string) => JSON.parse((await runCommand('tar', ['-xOf', tar, path])).stdout);
      const { manifests } = await read('index.json');
      assert.deepEqual(types(await read(`blobs/${manifests[0].digest.replace(':', '/')}`)), expected);
      const other = await startAgent(t);
      await other.docker(['load', '-i', tar]);
      const { stdout } = await other.docker(['run', '--rm', 'archived:1', 'cat', '/words']);
      assert.equal(stdout, 'zstd\n');
      const { skopeo, directory } = await setUpSkopeo(t);
      await skopeo(['copy', `oci-archive:${tar}`, `dir:${directory}/copy`]);
    });
  }
});
