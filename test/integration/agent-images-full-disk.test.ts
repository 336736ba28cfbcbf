import assert from 'node:assert/strict';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { openAgentImages } from '../support/agent-images.ts';
import { imageFolder } from '../support/image-cache.ts';
import { runCommand } from '../support/run-command.ts';
import { startScriptedRegistry } from '../support/scripted-registry.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { makeBigImage, makeBusyboxImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

it('images of the agent: a full disk fails the pull alone, and the same pull succeeds with room', {
  skip: unlessRoot(),
}, async (t) => {
  const folder = await imageFolder(t);
  const [small, big] = [await makeBusyboxImage(folder), await makeBigImage(folder, 9_000_000)];
  const registry = await startScriptedRegistry(t, small, big);
  const directory = join(await makeTempDir(t, 'full'), 'data');
  await mkdir(directory);
  await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=26m', 'tmpfs', directory]);
  await writeFile(join(directory, 'ballast'), Buffer.alloc(12 << 20));
  const agent = await openAgentImages(t, directory);
  const { image } = await agent.pull(`${registry.host}/team/app:${small.refName}`);
  const before = await readdir(join(directory, 'layers'));
  await assert.rejects(agent.pull(`${registry.host}/team/app:${big.refName}`), {
    name: 'EngineError',
    code: 'storage-full',
    message: 'no space is left on the disk of the data folder: free some, for example by docker system prune',
  });
  assert.deepEqual(await readdir(join(directory, 'layers')), before);
  assert.deepEqual(await agent.images.list(), [image]);
  await rm(join(directory, 'ballast'));
  assert.equal((await agent.pull(`${registry.host}/team/app:${big.refName}`)).image.diffIds.length, 2);
});
