import assert from 'node:assert/strict';
import { readdir, readFile, rename, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { startAgent } from '../support/agent-process.ts';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { makeBuildContext } from '../support/build-context.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

/** The cache of builds that clients carry from host to host in a folder, as jobs of forges do. */
describe('a build cache in a folder of the client', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const scope = { after };
  const { agent: first, image } = await startAgentWithImage(scope);
  const RANDOM = 'cat /proc/sys/kernel/random/uuid';
  const context = await makeBuildContext(
    scope,
    `FROM ${image} AS tools\nRUN ${RANDOM} > /tool\nFROM ${image}\nRUN ${RANDOM} > /id\nCOPY --from=tools /tool /copied\n`,
  );
  const place = await makeTempDir(scope, 'folder-cache');
  const build = async (agent: typeof first, ...args: string[]) =>
    (await agent.docker(['build', '--progress=plain', '-t', 'app', ...args, context])).stderr;
  const content = async (agent: typeof first) =>
    (await agent.docker(['run', '--rm', 'app', 'cat', '/id', '/copied'])).stdout;
  const to = (name: string, options = '') => ['--cache-to', `type=local,dest=${join(place, name)}${options}`];
  const from = (name: string) => ['--cache-from', `type=local,src=${join(place, name)}`];
  const blobs = async (name: string) => (await readdir(join(place, name, 'blobs/sha256'))).sort();

  test('a host that has built nothing takes all steps from it, and leaves them in the next folder', async (t) => {
    const printed = await build(first, ...from('old'), ...to('new', ',mode=max'));
    assert.match(printed, /exporting cache to client directory\n/);
    const index = JSON.parse(await readFile(join(place, 'new/index.json'), 'utf8'));
    assert.equal(index.manifests.length, 1);
    assert.equal(index.manifests[0].annotations['org.opencontainers.image.ref.name'], 'latest');
    assert.equal((await blobs('new')).length, 5, 'three layers, what they are, and the manifest');
    assert.deepEqual(await readdir(join(place, 'new/ingest')), []);

    await rename(join(place, 'new'), join(place, 'old'));
    const second = await startAgent(t);
    const there = await build(second, ...from('old'), ...to('new', ',mode=max'));
    assert.match(there, /importing cache manifest from local:/);
    assert.deepEqual(executed(there), []);
    assert.equal(await content(second), await content(first));
    const old = new Set(await blobs('old'));
    assert.ok((await blobs('new')).filter((name) => old.has(name)).length >= 3, 'the same layers');
    // What is there is not written again.
    const written = await blobs('new');
    await build(second, ...to('new', ',mode=max'));
    assert.deepEqual(await blobs('new'), written);
  });

  test('of the mode min it has only what is in the image', async (t) => {
    await build(first, ...to('min'));
    const third = await startAgent(t);
    const printed = await build(third, ...from('min'));
    assert.deepEqual(executed(printed), [`RUN ${RANDOM} > /tool`, 'COPY --from=tools /tool /copied']);
    assert.equal((await content(third)).split('\n')[0], (await content(first)).split('\n')[0]);
  });

  test('a folder that is damaged is told of, and the steps are built', async (t) => {
    await build(first, ...to('damaged', ',mode=max'));
    const fourth = await startAgent(t);
    for (const name of await blobs('damaged')) await truncate(join(place, 'damaged/blobs/sha256', name), 3);
    const printed = await build(fourth, ...from('damaged'));
    assert.match(printed, /importing cache manifest from local:.*\n#\d+ ERROR: /);
    assert.equal(executed(printed).length, 3);
    // The manifest and what it says are whole, the layers are gone.
    const folder = join(place, 'layers/blobs/sha256');
    await build(first, ...to('layers', ',mode=max'));
    for (const name of await blobs('layers')) {
      if (!(await readFile(join(folder, name))).toString('latin1').startsWith('{'))
        await rm(join(folder, name));
    }
    const fifth = await startAgent(t);
    assert.equal(executed(await build(fifth, ...from('layers'))).length, 3);
  });

  test('a folder that cannot be written, and two of different modes, fail the build', async () => {
    const file = join(place, 'min/index.json/below');
    const args = (options: string) => ['build', '--cache-to', `type=local,dest=${file}${options}`, context];
    const { stderr } = await first.docker(args(''), { expectExit: 1 });
    assert.match(stderr, /not a directory/);
    const two = [...to('a', ',mode=max'), ...to('b', ',mode=min')];
    const refused = await first.docker(['build', ...two, context], { expectExit: 1 });
    assert.match(refused.stderr, /--cache-to type=local of two modes is not supported/);
  });
});

/** The steps that were not taken from a cache. */
function executed(printed: string): readonly string[] {
  const steps = [...printed.matchAll(/\n#\d+ \[[^\]]*\d\] ((?:RUN|COPY) .*)\n#\d+ (.*)/g)]
    .filter(([, , next]) => next !== 'CACHED')
    .map(([, step = '']) => step);
  return [...new Set(steps)].sort((a, b) => (a < b ? 1 : -1));
}
