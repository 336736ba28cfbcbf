import type { ManifestReference } from '../../../../../oci/manifest.ts';
import { MEDIA_TYPES } from '../../../../../oci/media-types.ts';
import type { NewManifest } from '../../../../../storage/content-store.ts';
import {
  LeaseLostError,
  ManifestBlobUnknownError,
  UploadUnknownError,
} from '../../../../../storage/errors.ts';
import { collectGarbage } from '../../../../../storage/gc/collect-garbage.ts';
import { garbagePolicy } from '../../../../../storage/gc/garbage-policy.ts';
import { digestOf, streamOf } from '../../../../support/content.ts';
import type { Actor } from './interleaving.ts';
import type { World } from './world.ts';

/** What an actor does. All contents are of a few small sets, so that actors often want the same. */
export type Deed =
  | {
      readonly kind: 'push';
      readonly repository: string;
      readonly image: number;
      readonly tag: string;
      /** How blobs are sent. */
      readonly by: 'upload' | 'post' | 'mount';
      /** Blobs that are there already are left out, as clients do. */
      readonly looks: boolean;
      /** Also an index of the image, tagged in place of it, or an artifact about it. */
      readonly also: 'nothing' | 'index' | 'referrer';
    }
  | { readonly kind: 'delete tag'; readonly repository: string; readonly tag: string }
  | { readonly kind: 'delete image'; readonly repository: string; readonly image: number }
  | { readonly kind: 'delete layer'; readonly repository: string; readonly image: number }
  | { readonly kind: 'wait'; readonly milliseconds: number }
  | { readonly kind: 'collect garbage'; readonly untagged: boolean };

export interface Rules {
  readonly graceMs: number;
  /** Whether a push of which garbage collection has taken a part while it ran is begun anew; otherwise it fails. */
  readonly pushAgain: boolean;
  readonly advanceClock: (milliseconds: number) => void;
}

/** The work of one actor: its deeds one after the other. */
export function perform(world: World, deeds: readonly Deed[], rules: Rules): (actor: Actor) => Promise<void> {
  return async (actor) => {
    for (const deed of deeds) await performOne(world, deed, rules, actor);
  };
}

async function performOne(world: World, deed: Deed, rules: Rules, actor: Actor): Promise<void> {
  const { catalog, blobs } = world.processOf(actor);
  switch (deed.kind) {
    case 'push':
      return pushUntilTaken(world, deed, rules, actor);
    case 'wait':
      return actor.step(`wait ${deed.milliseconds}`, async () => rules.advanceClock(deed.milliseconds));
    case 'delete tag':
      return actor.step('delete tag', async () => {
        await world.catalog.tags.delete(deed.repository, deed.tag);
        world.promised.delete(`${deed.repository}:${deed.tag}`);
      });
    case 'delete image': {
      const { digest } = manifestOf(deed.image);
      return actor.step('delete image', async () => {
        if (await isNeeded(world, digest)) return;
        await world.catalog.manifests.delete(deed.repository, digest);
        for (const [name, promised] of world.promised) {
          if (promised === digest && name.startsWith(`${deed.repository}:`)) world.promised.delete(name);
        }
      });
    }
    case 'delete layer':
      return actor.step('delete layer', async () => {
        const digest = digestOf(`layer ${deed.image}`);
        if (await isNeeded(world, digest)) return;
        await world.catalog.blobs.unlink(deed.repository, digest);
      });
    case 'collect garbage':
      try {
        await collectGarbage({ catalog, blobs, policy: garbagePolicy(rules.graceMs, deed.untagged) });
      } catch (error) {
        if (!(error instanceof LeaseLostError)) throw error;
      }
  }
}

/** Whoever deletes by hand what an image or index needs breaks it, and is not what this is about. */
async function isNeeded(world: World, digest: string): Promise<boolean> {
  const reference = await world
    .knex('manifest_references')
    .where({ digest })
    .whereNot('kind', 'subject')
    .first('digest');
  return reference !== undefined;
}

async function pushUntilTaken(
  world: World,
  deed: Deed & { readonly kind: 'push' },
  rules: Rules,
  actor: Actor,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await push(world, deed, actor);
    } catch (error) {
      const mayBe = error instanceof ManifestBlobUnknownError || error instanceof UploadUnknownError;
      if (!mayBe || !rules.pushAgain) throw error;
      if (attempt === 4) return;
    }
  }
}

async function push(world: World, deed: Deed & { readonly kind: 'push' }, actor: Actor): Promise<void> {
  const { repository, image, tag, also } = deed;
  const { content } = world.processOf(actor);
  const put = (manifest: NewManifest, ...tags: readonly string[]) =>
    content.putManifest(repository, manifest, { tags, requireManifests: true });
  for (const part of partsOf(image)) await pushBlob(world, deed, part, actor);
  if (also === 'index') {
    await put(manifestOf(image));
    await put(indexOf(image), tag);
    return;
  }
  await put(manifestOf(image), tag);
  if (also === 'referrer') await put(referrerOf(image));
}

async function pushBlob(
  world: World,
  { repository, by, looks }: Deed & { readonly kind: 'push' },
  text: string,
  actor: Actor,
): Promise<void> {
  const { catalog, blobs, content } = world.processOf(actor);
  const digest = digestOf(text);
  if (looks && (await catalog.blobs.findToRefer(repository, digest)) !== undefined) return;
  if (by === 'mount') {
    const from = repository === 'a' ? 'b' : 'a';
    if ((await catalog.blobs.mount(from, repository, digest)) !== undefined) return;
  }
  if (by === 'post') {
    await content.putBlob(repository, Buffer.from(text), digest);
    return;
  }
  const begun = await blobs.begin();
  await catalog.uploads.create(repository, begun);
  const upload = await blobs.append(begun, streamOf(Buffer.from(text)));
  await catalog.uploads.update(upload, 0);
  await content.commitUpload(repository, upload, digest);
}

/** Neighbouring images share a layer. */
function partsOf(image: number): readonly string[] {
  return [`config ${image}`, `layer ${image}`, `layer ${image + 1}`];
}

function manifestOf(image: number): NewManifest {
  const [config = '', ...layers] = partsOf(image);
  return newManifest(`manifest ${image}`, [
    { kind: 'config', digest: digestOf(config) },
    ...layers.map((layer) => ({ kind: 'layer', digest: digestOf(layer) }) as const),
  ]);
}

function indexOf(image: number): NewManifest {
  return newManifest(`index ${image}`, [{ kind: 'manifest', digest: manifestOf(image).digest }]);
}

/** Its config and layer are ones of the image. */
function referrerOf(image: number): NewManifest {
  return newManifest(`referrer ${image}`, [
    { kind: 'config', digest: digestOf(`config ${image}`) },
    { kind: 'subject', digest: manifestOf(image).digest },
  ]);
}

function newManifest(text: string, references: readonly ManifestReference[]): NewManifest {
  return { bytes: Buffer.from(text), digest: digestOf(text), mediaType: MEDIA_TYPES.ociManifest, references };
}
