import { allDone } from '../../lib/sync/concurrently.ts';
import type { KeyedLock } from '../../lib/sync/semaphore.ts';
import type { Digest } from '../../oci/digest.ts';
import { readReference } from '../../oci/distribution/errors.ts';
import type { RegistryClient } from '../../oci/distribution/registry-client.ts';
import type { RegistryRepository } from '../../oci/distribution/registry-repository.ts';
import { familiarName, familiarReference, type ImageReference } from '../../oci/reference.ts';
import { EngineError, isEngineError } from '../errors.ts';
import type { EventBus } from '../events/event-bus.ts';
import type { LayerStore } from '../snapshots/layer-store.ts';
import { storageFull } from '../storage-full.ts';
import { chainIds } from './chain-ids.ts';
import type { Decompressors } from './decompress.ts';
import type { Image } from './image.ts';
import type { ImageCatalog } from './image-catalog.ts';
import { findImage, type ImageName, type ImageRecord, imageOfRecord, isTagName } from './image-record.ts';
import type { ImageRemoval, Images, ImageUser, PullOptions } from './images.ts';
import type { LayerBlobs } from './layer-blobs/layer-blobs.ts';
import { LayerFetcher, type LayerLeases } from './layer-fetcher.ts';
import { planRemoval } from './removal-plan.ts';
import { type ResolvedImage, resolveImage } from './resolve-image.ts';

export interface ImageServiceOptions {
  readonly catalog: ImageCatalog;
  readonly layerStore: LayerStore;
  readonly leases: LayerLeases;
  readonly layerBlobs: LayerBlobs;
  /** Maximum bytes of an uncompressed layer. */
  readonly layerLimit: number;
  readonly registry: RegistryClient;
  readonly events: EventBus;
  /** Lock of the catalog, under the key 'catalog'. */
  readonly lock: KeyedLock;
  readonly decompressors: Decompressors;
  /** Returns layers that are in use without an image. */
  readonly otherLayers: () => Promise<readonly Digest[]>;
}

/** The images of this host, over a catalog and a layer store that nothing else changes. */
export class ImageService implements Images {
  readonly #options: ImageServiceOptions;
  readonly #fetcher: LayerFetcher;
  /** Serialises changes of the catalog and sweeps. */
  readonly #lock: KeyedLock;

  constructor(options: ImageServiceOptions) {
    this.#options = options;
    this.#lock = options.lock;
    this.#fetcher = new LayerFetcher(options);
  }

  async pull(text: string, options: PullOptions): Promise<Image> {
    const reference = readReference(text);
    return await this.#options.registry.fromSources(reference, { ...options, isSourceFailure }, (source) =>
      this.#pullFrom(source, reference, options),
    );
  }

  async #pullFrom(
    repository: RegistryRepository,
    reference: ImageReference,
    options: PullOptions,
  ): Promise<Image> {
    const { catalog, layerStore, layerBlobs } = this.#options;
    const { signal, progress } = options;
    const resolved = await resolveImage({
      repository,
      reference,
      platform: options.platform,
      findConfig: (id) => catalog.findConfig(id),
      signal,
    });
    progress({
      kind: 'pulling-from',
      repository: reference.repository,
      tag: reference.digest ?? reference.tag ?? '',
    });
    const before = await catalog.list();
    const names = pulledNames(reference, resolved.pulledDigest, options.leavesTag ?? false);
    let image: Image;
    try {
      image = await this.#fetcher.withLayers(resolved.layers, repository, options, async () => {
        signal.throwIfAborted();
        return await this.#lock.run('catalog', async () => {
          const sizes = resolved.layers.map(({ diffId }) => layerStore.contentSize(diffId));
          const size = sum(await Promise.all(sizes));
          await allDone([
            catalog.put({ ...newImage(resolved), names, size }),
            layerBlobs.record(resolved.layers, reference),
          ]);
          return await this.get(resolved.id);
        });
      });
    } catch (error) {
      // Data of a broken image is useless; an interrupted pull resumes later.
      if (isEngineError(error) && error.code === 'bad-request') await this.sweep();
      throw storageFull(error) ?? error;
    }
    progress({ kind: 'digest', digest: resolved.pulledDigest });
    const known = before.find(({ id }) => id === resolved.id);
    // For a tag, whether it named the same image: its digest may be new, as after a load.
    const [asked] = names;
    const newer = !known?.names.some((other) => asked !== undefined && isSameName(asked, other));
    progress({ kind: 'status', newer, reference: familiarReference(reference) });
    this.#publish('pull', familiarReference(reference), image, familiarName(reference));
    return image;
  }

  async list(): Promise<readonly Image[]> {
    return (await this.#options.catalog.list()).map(imageOfRecord);
  }

  async get(name: string): Promise<Image> {
    return imageOfRecord(findImage(await this.#options.catalog.list(), name).record);
  }

  async tag(name: string, target: string): Promise<void> {
    const reference = readReference(target);
    if (reference.tag === undefined || reference.digest !== undefined) {
      throw new EngineError('bad-request', 'refusing to create a tag with a digest reference');
    }
    const { registry, repository, tag } = reference;
    refuseAmbiguousTag(reference);
    await this.#lock.run('catalog', async () => {
      const { record } = findImage(await this.#options.catalog.list(), name);
      const isNew = !record.names.some(
        (known) =>
          isTagName(known) &&
          known.tag === tag &&
          known.registry === registry &&
          known.repository === repository,
      );
      if (isNew) await this.#options.catalog.addName(record.id, { registry, repository, tag });
      this.#publish('tag', record.id, imageOfRecord(record), familiarReference(reference));
    });
  }

  async remove(
    name: string,
    options: { readonly force: boolean; readonly users: readonly ImageUser[] },
  ): Promise<readonly ImageRemoval[]> {
    const { catalog } = this.#options;
    return await this.#lock.run('catalog', async () => {
      const records = await catalog.list();
      const found = findImage(records, name);
      const plan = planRemoval(found, name, options);
      const { record } = found;
      await catalog.remove(plan.untag, plan.deleteImage ? record.id : undefined);
      const image = imageOfRecord(record);
      const removals: ImageRemoval[] = [];
      for (const [index, removed] of plan.untag.entries()) {
        removals.push({ untagged: familiarReference(removed) });
        if (index < plan.told) this.#publish('untag', record.id, image, record.id);
      }
      if (plan.deleteImage) {
        const layers = await this.#sweepLayers(records.filter(({ id }) => id !== record.id));
        removals.push({ deleted: record.id });
        for (const deleted of shownLayers(record.config.diffIds, layers)) removals.push({ deleted });
        // dockerd knows no labels of a removed image.
        const attributes = { name: record.id };
        this.#options.events.publish({ type: 'image', action: 'delete', id: record.id, attributes });
      }
      return removals;
    });
  }

  async containerGone(id: Digest): Promise<void> {
    const images = await this.#options.catalog.list();
    if (!images.some((image) => image.id === id)) await this.sweep();
  }

  /** Deletes unreferenced layers and blobs, of failed pulls or deleted images. */
  async sweep(): Promise<void> {
    const { catalog } = this.#options;
    await this.#lock.run('catalog', async () => {
      await catalog.sweepBlobs();
      await this.#sweepLayers(await catalog.list());
    });
  }

  async #sweepLayers(images: readonly ImageRecord[]): Promise<readonly Digest[]> {
    const { layerStore, leases } = this.#options;
    const used = new Set(images.flatMap(({ config }) => config.diffIds));
    for (const diffId of await this.#options.otherLayers()) used.add(diffId);
    const removed: Digest[] = [];
    for (const diffId of await layerStore.list()) {
      if (!used.has(diffId) && (await leases.removeUnlessHeld(diffId))) removed.push(diffId);
    }
    return removed;
  }

  #publish(action: string, id: string, image: Image, name: string): void {
    this.#options.events.publish({
      type: 'image',
      action,
      id,
      attributes: { ...image.config.Labels, name },
    });
  }
}

/** Refuses `sha256:tag`, which would read as a digest. Throws EngineError 'bad-request'. */
export function refuseAmbiguousTag(reference: Pick<ImageReference, 'registry' | 'repository'>): void {
  if (familiarName(reference) !== 'sha256') return;
  throw new EngineError('bad-request', 'refusing to create an ambiguous tag using digest algorithm as name');
}

/** Returns the requested tag, and its digest. */
function pulledNames(
  { registry, repository, tag, digest }: ImageReference,
  pulled: Digest,
  leavesTag: boolean,
): readonly ImageName[] {
  const byDigest = { registry, repository, digest: pulled };
  return tag === undefined || digest !== undefined || leavesTag
    ? [byDigest]
    : [{ registry, repository, tag }, byDigest];
}

/** Chain IDs, topmost first, as in dockerd's output. */
function shownLayers(diffIds: readonly Digest[], removed: readonly Digest[]): readonly Digest[] {
  const chain = chainIds(diffIds);
  const own = chain.filter((_, index) => removed.includes(diffIds[index] as Digest));
  return [...own.reverse(), ...removed.filter((diffId) => !diffIds.includes(diffId))];
}

function isSameName(a: ImageName, b: ImageName): boolean {
  return familiarReference(a) === familiarReference(b);
}

function newImage(resolved: ResolvedImage) {
  return {
    id: resolved.id,
    configBytes: resolved.configBytes,
    manifestDigest: resolved.manifest.digest,
    manifestBytes: resolved.manifest.bytes,
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** Reports whether the registry caused a failure; a full disk of this host is not its fault. */
function isSourceFailure(error: unknown): boolean {
  return isEngineError(error) && error.code !== 'storage-full';
}
