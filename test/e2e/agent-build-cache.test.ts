import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { parseDigest } from '../../oci/digest.ts';
import { BlobStore } from '../../storage/blobs/blob-store.ts';
import { openFilesystemDriver } from '../../storage/blobs/filesystem/filesystem-driver.ts';
import { startAgent } from '../support/agent-process.ts';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { makeBuildContext } from '../support/build-context.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { startRegistry } from '../support/registry-process.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

/** The cache of builds that hosts share over a registry. */
describe('a build cache in a registry', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const scope = { after };
  const { registry, agent: first, image } = await startAgentWithImage(scope);
  const second = await startAgent(scope);
  const RANDOM = 'cat /proc/sys/kernel/random/uuid';
  const context = await makeBuildContext(
    scope,
    [
      `FROM ${image} AS tools`,
      `RUN ${RANDOM} > /tool`,
      `FROM ${image}`,
      'COPY words /words',
      `RUN ${RANDOM} > /id`,
      'COPY --from=tools /tool /copied',
      '',
    ].join('\n'),
    { words: 'words\n' },
  );
  const cache = (name: string) => `${registry.host}/team/cache:${name}`;
  const build = async (agent: typeof first, ...args: string[]) =>
    (await agent.docker(['build', '--progress=plain', '-t', 'app', ...args, context])).stderr;
  const content = async (agent: typeof first) =>
    (await agent.docker(['run', '--rm', 'app', 'cat', '/id', '/copied', '/words'])).stdout;

  test('a host that has built nothing takes all steps from it', async () => {
    const printed = await build(first, '--cache-to', `type=registry,ref=${cache('max')},mode=max`);
    assert.match(printed, new RegExp(`exporting cache to ${cache('max')}\n`));
    const printedThere = await build(second, '--cache-from', cache('max'));
    assert.match(printedThere, new RegExp(`importing cache manifest from ${cache('max')}\n`));
    assert.deepEqual(executed(printedThere), []);
    assert.doesNotMatch(printedThere, /extracting layer of RUN .* \/tool/, 'nothing wants that layer');
    assert.match(printedThere, /extracting layer of COPY --from=tools/);
    assert.equal(await content(second), await content(first));
    // Now it is its own.
    assert.deepEqual(executed(await build(second)), []);
  });

  test('of the mode min it has only what is in the image', async () => {
    const third = await startAgent(scope);
    await build(first, '--cache-to', `type=registry,ref=${cache('min')}`);
    const printed = await build(third, '--cache-from', `type=registry,ref=${cache('min')}`);
    assert.deepEqual(executed(printed), [`RUN ${RANDOM} > /tool`, 'COPY --from=tools /tool /copied']);
    const [id, tool] = (await content(third)).split('\n');
    const [firstId, firstTool] = (await content(first)).split('\n');
    assert.equal(id, firstId);
    assert.notEqual(tool, firstTool);
  });

  test('a step whose layer is wanted and is not there is built again', async () => {
    const away = `RUN cat /tool > /again`;
    const damaged = await startRegistry(scope);
    const lost = `${damaged.host}/team/cache:lost`;
    const fifth = await startAgent(scope);
    await build(first, '--cache-to', `type=registry,ref=${lost},mode=max`);
    const manifest = (await (
      await fetch(`${damaged.url}/v2/team/cache/manifests/lost`, {
        headers: { accept: OCI_MANIFEST },
      })
    ).json()) as { readonly layers: readonly { readonly digest: string }[] };
    await build(fifth, '--cache-from', lost);
    const extended = await makeBuildContext(
      scope,
      [`FROM ${image} AS tools`, `RUN ${RANDOM} > /tool`, away, ''].join('\n'),
      {},
    );
    const own = (await fifth.docker(['build', '--progress=plain', '-t', 'own', extended])).stderr;
    assert.doesNotMatch(own, /ERROR/);
    const made = (await fifth.docker(['run', '--rm', 'own', 'cat', '/tool', '/again'])).stdout.split('\n');
    assert.match(made[0] ?? '', /^[0-9a-f-]{36}$/);
    assert.equal(made[0], made[1]);

    const blobs = new BlobStore(await openFilesystemDriver(damaged.dataDir));
    for (const { digest } of manifest.layers) {
      const copies = await blobs.copies(parseDigest(digest));
      assert.notEqual(copies.length, 0);
      for (const { location } of copies) await rm(join(damaged.dataDir, location));
    }
    const sixth = await startAgent(scope);
    const printed = await build(sixth, '--cache-from', lost);
    assert.deepEqual([...executed(printed)].sort(), [
      'COPY --from=tools /tool /copied',
      'COPY words /words',
      `RUN ${RANDOM} > /id`,
      `RUN ${RANDOM} > /tool`,
    ]);
    assert.equal((await content(sixth)).split('\n')[2], 'words');
  });

  test('an image can hold its own', async () => {
    const name = `${registry.host}/team/inline:1`;
    await first.docker(['build', '-t', name, '--build-arg', 'BUILDKIT_INLINE_CACHE=1', '--push', context]);
    const fourth = await startAgent(scope);
    const printed = await build(fourth, '--cache-from', name);
    assert.deepEqual(executed(printed), [`RUN ${RANDOM} > /tool`, 'COPY --from=tools /tool /copied']);
    assert.equal((await content(fourth)).split('\n')[0], (await content(first)).split('\n')[0]);
  });

  test('one that is missing, or is an image, is told of and does no harm', async () => {
    for (const reference of [cache('nothing'), image]) {
      const printed = await build(first, '--cache-from', reference);
      assert.match(printed, new RegExp(`importing cache manifest from ${reference}\n#\\d+ ERROR: `));
    }
    const printed = (
      await first.docker(['build', '--cache-from', cache('nothing'), '-t', 'app', context], {
        env: { DOCKER_BUILDKIT: '0' },
      })
    ).stdout;
    assert.match(printed, /Successfully tagged app:latest/);
  });

  test('places that are neither registry nor folder are refused in a sentence that says what to use', async () => {
    // buildx leaves gha and s3 out by itself.
    const options = 'type=azblob,account_url=http://127.0.0.1:1/,secret_access_key=s';
    for (const [flag, path] of [
      ['--cache-to', 'dest'],
      ['--cache-from', 'src'],
    ] as const) {
      const args = ['build', '--progress=plain', flag, options, context];
      const { stderr } = await first.docker(args, { expectExit: 1 });
      const sentence = `${flag} type=azblob is not supported: the cache is kept in a registry, with type=registry,ref=…, in a folder, with type=local,${path}=…, or in the image, with --cache-to type=inline`;
      assert.ok(stderr.includes(sentence), stderr);
    }
  });

  test('one that cannot be written fails the build', async () => {
    const to = `type=registry,ref=127.0.0.1:1/nobody/cache`;
    const { stderr } = await first.docker(['build', '--progress=plain', '--cache-to', to, context], {
      expectExit: 1,
    });
    assert.match(
      stderr,
      /ERROR: failed to solve: the cache could not be left in 127\.0\.0\.1:1\/nobody\/cache: .*refused \(with ignore-error=true/,
    );
    const told = await build(first, '--cache-to', `${to},ignore-error=true`);
    assert.match(told, /exporting cache to 127\.0\.0\.1:1\/nobody\/cache\n#\d+ ERROR: /);
  });
});

/** The steps that were not taken from a cache. */
function executed(printed: string): readonly string[] {
  const steps = [...printed.matchAll(/\n#\d+ \[[^\]]*\d\] ((?:RUN|COPY) .*)\n#\d+ (.*)/g)]
    .filter(([, , next]) => next !== 'CACHED')
    .map(([, step = '']) => step);
  return [...new Set(steps)];
}
