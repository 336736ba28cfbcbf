import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Digest, parseDigest } from '../../oci/digest.ts';
import { readManifest } from '../../oci/manifest.ts';
import { type ImportSource, SourceContentError } from '../../storage/import/import-source.ts';
import { collectValues, digestOf } from '../support/content.ts';
import type { FilledRegistry } from '../support/source-registry.ts';

/** A source that holds what fillRegistry has pushed. */
export interface ImportSourceFixture {
  readonly source: ImportSource;
  readonly filled: Pick<FilledRegistry, 'images' | 'deleted' | 'untagged'>;
  /** Whether it can list manifests without a tag, and referrers. */
  readonly lists: { readonly manifests: boolean; readonly referrers: boolean };
}

const { signal } = new AbortController();
const NOWHERE = digestOf('what nobody has pushed');

/** What every ImportSource promises. */
export function describeImportSource(name: string, open: () => Promise<ImportSourceFixture>): void {
  const withSource = (what: string, work: (fixture: ImportSourceFixture) => Promise<void>) =>
    test(`${name}: ${what}`, async () => work(await open()));

  withSource('repositories and tags are listed; of what is not there none', async ({ source, filled }) => {
    const found: string[] = [];
    for (const repository of await collectValues(source.repositories(signal))) {
      for (const tag of await collectValues(source.tags(repository, signal))) {
        // The list that stands in for the referrers API, where a client has made one.
        if (!tag.startsWith('sha256-')) found.push(`${repository}:${tag}`);
      }
    }
    const deletedTag = 'team/app:gone';
    assert.deepEqual(found.filter((image) => image !== deletedTag).sort(), [...filled.images.keys()].sort());
    assert.deepEqual(await collectValues(source.tags('not/there', signal)), []);
  });

  withSource('tags lead to manifests, and those to blobs, byte for byte', async ({ source, filled }) => {
    for (const [image, digest] of filled.images) {
      const [repository = '', tag = ''] = image.split(':');
      assert.equal(await source.resolveTag(repository, tag, signal), digest, image);
      await checkContent(source, repository, parseDigest(digest));
    }
  });

  withSource('what was deleted or never there is missing', async ({ source, filled }) => {
    const [repository = '', deleted = ''] = filled.deleted.split('@');
    assert.equal(await source.resolveTag(repository, 'gone', signal), undefined);
    assert.equal(await source.resolveTag(repository, 'never', signal), undefined);
    for (const digest of [parseDigest(deleted), NOWHERE]) {
      await assert.rejects(source.readManifest(repository, digest, signal), SourceContentError);
    }
    const blob = { digest: NOWHERE, size: 5 };
    await assert.rejects(collectValues(source.readBlob(repository, blob, signal)), SourceContentError);
    assert.deepEqual(await source.referrers(repository, NOWHERE, signal), []);
  });

  withSource('a blob of another repository is missing', async ({ source, filled }) => {
    const index = parseDigest(filled.images.get('team/app:moved') ?? '');
    const { bytes, mediaType } = await source.readManifest('team/app', index, signal);
    const [layer] = readManifest(bytes, mediaType).layers;
    assert.ok(layer !== undefined);
    await assert.rejects(collectValues(source.readBlob('solo', layer, signal)), SourceContentError);
    await assert.rejects(source.readManifest('solo', index, signal), SourceContentError);
  });

  withSource(
    'lists of all manifests and of referrers, where it has them',
    async ({ source, filled, lists }) => {
      const [, deleted] = filled.deleted.split('@');
      const all = source.manifests('team/app', signal);
      assert.equal(all !== undefined, lists.manifests);
      if (all !== undefined) {
        const digests: readonly string[] = await collectValues(all);
        assert.ok(digests.includes(filled.untagged) && !digests.includes(deleted ?? ''));
      }
      const subject = parseDigest(filled.images.get('team/app:1') ?? '');
      const referrers = await source.referrers('team/app', subject, signal);
      assert.equal(referrers.length, lists.referrers ? 1 : 0);
      for (const referrer of referrers) {
        const { bytes, mediaType } = await source.readManifest('team/app', referrer, signal);
        assert.equal(readManifest(bytes, mediaType).subject?.digest, subject);
      }
    },
  );

  withSource('a signal that has aborted stops it', async ({ source }) => {
    const stopped = AbortSignal.abort(new Error('stopped'));
    await assert.rejects(collectValues(source.repositories(stopped)), /stopped/);
  });
}

async function checkContent(source: ImportSource, repository: string, digest: Digest): Promise<void> {
  const { bytes, mediaType } = await source.readManifest(repository, digest, signal);
  assert.equal(digestOf(bytes), digest);
  const { config, layers, manifests } = readManifest(bytes, mediaType);
  for (const member of manifests) await checkContent(source, repository, member.digest);
  for (const blob of [...(config === undefined ? [] : [config]), ...layers]) {
    const content = Buffer.concat(await collectValues(source.readBlob(repository, blob, signal)));
    assert.equal(content.length, blob.size);
    assert.equal(digestOf(content), blob.digest);
  }
}
