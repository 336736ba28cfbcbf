import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { startRegistry } from '../support/registry-process.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const options = { timeout: 900_000 };

test(
  'oras pushes a file as an artifact, attaches another to it, and finds both again',
  options,
  async (t) => {
    const registry = await startRegistry(t);
    const directory = await makeTempDir(t, 'oras');
    const oras = (...args: string[]) =>
      runCommand('oras', [...args], { cwd: directory, env: { HOME: directory, ORAS_CACHE: '' } });
    await writeFile(join(directory, 'notes.txt'), 'what was shipped\n');
    await writeFile(join(directory, 'sbom.json'), '{}');
    const target = `${registry.host}/team/artifact:1`;

    await oras('push', '--plain-http', target, '--artifact-type=application/vnd.berth.test', 'notes.txt');
    await oras('attach', '--plain-http', target, '--artifact-type=application/vnd.berth.sbom', 'sbom.json');
    const found = await oras('discover', '--plain-http', '--format=json', target);
    const { manifests } = JSON.parse(found.stdout) as { manifests: { artifactType: string }[] };
    assert.deepEqual(
      manifests.map((manifest) => manifest.artifactType),
      ['application/vnd.berth.sbom'],
    );

    await oras('pull', '--plain-http', '--output=back', target);
    assert.equal(await readFile(join(directory, 'back/notes.txt'), 'utf8'), 'what was shipped\n');
  },
);

test('oras copies a whole graph to another repository', options, async (t) => {
  const registry = await startRegistry(t);
  const directory = await makeTempDir(t, 'oras');
  const oras = (...args: string[]) => runCommand('oras', args, { cwd: directory, env: { HOME: directory } });
  await writeFile(join(directory, 'notes.txt'), 'what was shipped\n');
  const source = `${registry.host}/team/artifact:1`;
  const target = `${registry.host}/copy/of/artifact:1`;
  await oras('push', '--plain-http', source, '--artifact-type=application/vnd.berth.test', 'notes.txt');
  await oras('attach', '--plain-http', source, '--artifact-type=application/vnd.berth.sbom', 'notes.txt');
  await oras('cp', '--recursive', '--from-plain-http', '--to-plain-http', source, target);
  const found = await oras('discover', '--plain-http', '--format=json', target);
  assert.equal((JSON.parse(found.stdout) as { manifests: unknown[] }).manifests.length, 1);
});

test(
  'oras lists, resolves, tags and deletes; a blob and a manifest go there and back',
  options,
  async (t) => {
    const registry = await startRegistry(t);
    const directory = await makeTempDir(t, 'oras');
    const oras = async (command: string, ...args: string[]) =>
      (
        await runCommand('oras', [...command.split(' '), '--plain-http', ...args], {
          cwd: directory,
          env: { HOME: directory },
        })
      ).stdout;
    const { host } = registry;
    await writeFile(join(directory, 'notes.txt'), 'what was shipped\n');
    await oras('push', `${host}/team/artifact:1,one`, 'notes.txt');
    await oras('tag', `${host}/team/artifact:1`, 'latest', 'v1');
    assert.deepEqual((await oras('repo tags', `${host}/team/artifact`)).trim().split('\n'), [
      '1',
      'latest',
      'one',
      'v1',
    ]);
    assert.equal(await oras('repo ls', host), 'team/artifact\n');
    const digest = (await oras('resolve', `${host}/team/artifact:v1`)).trim();

    const manifest = await oras('manifest fetch', `${host}/team/artifact@${digest}`);
    const { layers } = JSON.parse(manifest) as { layers: { digest: string }[] };
    const [layer] = layers;
    assert.ok(layer !== undefined);
    assert.equal(
      await oras('blob fetch', '--output=-', `${host}/team/artifact@${layer.digest}`),
      'what was shipped\n',
    );
    await writeFile(join(directory, 'manifest.json'), manifest);
    await oras('manifest push', `${host}/team/artifact:again`, 'manifest.json');
    assert.equal((await oras('resolve', `${host}/team/artifact:again`)).trim(), digest);

    await oras('blob push', `${host}/team/artifact`, 'manifest.json');
    await oras('manifest delete', '--force', `${host}/team/artifact@${digest}`);
    await assert.rejects(oras('resolve', `${host}/team/artifact:v1`), /not found/);
    await oras('blob delete', '--force', `${host}/team/artifact@${layer.digest}`);
  },
);
