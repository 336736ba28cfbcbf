import { readReference } from '../../../oci/distribution/errors.ts';
import { familiarReference, fullReference, parseImageReference } from '../../../oci/reference.ts';
import { closing } from '../../closing.ts';
import { EngineError } from '../../errors.ts';
import type { EventBus } from '../../events/event-bus.ts';
import type { LayerStore } from '../../snapshots/layer-store.ts';
import { decompressStream } from '../../trees/decompress-stream.ts';
import type { Image } from '../image.ts';
import type { Images } from '../images.ts';
import { composeConfig } from '../pending/compose-config.ts';
import type { PendingImage, PendingImages } from '../pending/pending-images.ts';
import { archivedImages } from './archived-images.ts';
import type { ImageArchives, ImportOptions, LoadProgress } from './image-archives.ts';
import { receiveArchive } from './receive-archive.ts';
import { plainLayer, type SavedImage, writeArchive } from './write-archive.ts';

export interface ArchivesContext {
  readonly images: Images;
  readonly pendingImages: PendingImages;
  readonly layerStore: LayerStore;
  readonly events: EventBus;
}

/** ImageArchives over the images of a host. */
export class AgentImageArchives implements ImageArchives {
  readonly #context: ArchivesContext;

  constructor(context: ArchivesContext) {
    this.#context = context;
  }

  async save(names: readonly string[], signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const pending = this.#context.pendingImages.begin();
    try {
      const wanted = await this.#wanted(names);
      const images: SavedImage[] = [];
      for (const { image, tags } of wanted) images.push(await this.#savedImage(pending, image, tags));
      for (const { image } of wanted) this.#publish('save', image);
      const { layerStore } = this.#context;
      const archive = writeArchive(images, ({ diffId }) => layerStore.read(diffId, signal));
      return closing(archive, () => pending.release());
    } catch (error) {
      await pending.release();
      throw error;
    }
  }

  async load(
    archive: AsyncIterable<Uint8Array>,
    progress: (step: LoadProgress) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { pendingImages, images, layerStore } = this.#context;
    const pending = pendingImages.begin();
    try {
      const files = await receiveArchive(archive, pending, progress, signal);
      const loaded: Image[] = [];
      let named = 0;
      for (const { config, names, otherIds } of await archivedImages(files)) {
        signal.throwIfAborted();
        for (const { here, wanted } of otherIds) {
          await pending.addLayer(layerStore.read(here, signal), signal, wanted);
        }
        const before = await images.list();
        const image = await pending.finish({ config, names });
        loaded.push(image);
        for (const name of names.map(familiarReference)) {
          const old = before.find(({ id, repoTags }) => id !== image.id && repoTags.includes(name));
          if (old !== undefined) progress({ kind: 'renamed', name, oldId: old.id });
          progress({ kind: 'loaded', name });
          named += 1;
        }
      }
      if (named === 0) for (const { id } of loaded) progress({ kind: 'loaded-id', id });
      for (const image of loaded) this.#publish('load', image);
    } finally {
      await pending.release();
    }
  }

  async import(tar: AsyncIterable<Uint8Array>, options: ImportOptions, signal: AbortSignal): Promise<Image> {
    const pending = this.#context.pendingImages.begin();
    try {
      const layer = await pending.addLayer(decompressStream(tar, signal), signal);
      const { platform, config, message, name } = options;
      const created = new Date();
      const bytes = composeConfig({ platform, config, created, comment: message, layer });
      signal.throwIfAborted();
      const image = await pending.finish({ config: bytes });
      if (name !== undefined) await this.#context.images.tag(image.id, familiarReference(name));
      this.#publish('import', image);
      return image;
    } finally {
      await pending.release();
    }
  }

  /** Returns each image once, in the order of the names, with the requested tags. */
  async #wanted(
    names: readonly string[],
  ): Promise<readonly { readonly image: Image; readonly tags: ReadonlySet<string> }[]> {
    const { images } = this.#context;
    const found = new Map<string, { readonly image: Image; readonly tags: Set<string> }>();
    const add = (image: Image, tags: readonly string[]) => {
      const known = found.get(image.id) ?? { image, tags: new Set() };
      for (const tag of tags) known.tags.add(tag);
      found.set(image.id, known);
    };
    if (names.length === 0) throw new EngineError('bad-request', 'no image was named');
    for (const name of names) {
      const prefix = repositoryPrefix(name);
      const all = prefix === undefined ? [] : await images.list();
      const tagged = all
        .map((image) => ({ image, tags: image.repoTags.filter((tag) => tag.startsWith(prefix ?? '')) }))
        .filter(({ tags }) => tags.length > 0);
      for (const { image, tags } of tagged) add(image, tags);
      if (tagged.length > 0) continue;
      const image = await images.get(name);
      const familiar = familiarTag(name);
      add(
        image,
        image.repoTags.filter((tag) => tag === familiar),
      );
    }
    return [...found.values()];
  }

  async #savedImage(pending: PendingImage, image: Image, tags: ReadonlySet<string>): Promise<SavedImage> {
    const { pendingImages, layerStore } = this.#context;
    await pending.keepLayers(image.diffIds);
    const sizes = image.diffIds.map(async (diffId) => plainLayer(diffId, await layerStore.tarSize(diffId)));
    return {
      id: image.id,
      config: await pendingImages.readConfig(image.id),
      layers: await Promise.all(sizes),
      names: [...tags].sort().map((familiar) => {
        const reference = parseImageReference(familiar);
        return { familiar, full: fullReference(reference), tag: reference.tag ?? '' };
      }),
    };
  }

  #publish(action: string, image: Image): void {
    const attributes = { ...image.config.Labels, name: image.id };
    this.#context.events.publish({ type: 'image', action, id: image.id, attributes });
  }
}

/** `app:` for a repository without tag or digest, which means all its tags; undefined for anything else. */
function repositoryPrefix(name: string): string | undefined {
  if (name.includes('@') || name.lastIndexOf(':') > name.lastIndexOf('/')) return undefined;
  try {
    return familiarReference(readReference(name)).replace(/latest$/, '');
  } catch {
    return undefined;
  }
}

function familiarTag(name: string): string | undefined {
  try {
    return familiarReference(readReference(name));
  } catch {
    return undefined;
  }
}
