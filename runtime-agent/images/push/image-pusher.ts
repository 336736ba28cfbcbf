import { createHash } from 'node:crypto';
import { allTogether } from '../../../lib/sync/concurrently.ts';
import { type KeyedLock, KeyedPool, Semaphore } from '../../../lib/sync/semaphore.ts';
import type { Digest } from '../../../oci/digest.ts';
import { readReference } from '../../../oci/distribution/errors.ts';
import type { RegistryClient } from '../../../oci/distribution/registry-client.ts';
import type { PushedBlob } from '../../../oci/distribution/repository-writer.ts';
import { OciError } from '../../../oci/errors.ts';
import { type Manifest, readManifest } from '../../../oci/manifest.ts';
import { familiarName, familiarReference, type ImageReference } from '../../../oci/reference.ts';
import { EngineError } from '../../errors.ts';
import type { EventBus } from '../../events/event-bus.ts';
import type { ImageAttestations } from '../attestations/image-attestations.ts';
import type { ImageCatalog } from '../image-catalog.ts';
import { type DigestName, type ImageRecord, isTagName } from '../image-record.ts';
import type { ImageIndexes } from '../indexes/image-indexes.ts';
import { indexDocument } from '../indexes/index-document.ts';
import type { LayerBlobs } from '../layer-blobs/layer-blobs.ts';
import type { LayerLeases } from '../layer-fetcher.ts';
import { MAX_LAYER_UPLOADS } from '../limits.ts';
import { shortDigest } from '../resolve-image.ts';
import type { ImagePush, PushOptions } from './image-push.ts';
import type { LayerPusher, PushTarget } from './layer-pusher.ts';
import { pushAttestation } from './push-attestation.ts';
import { type LayerToPush, layersToPush, pushedManifest } from './push-plan.ts';

export interface ImagePusherOptions {
  readonly catalog: ImageCatalog;
  readonly registry: RegistryClient;
  readonly events: EventBus;
  readonly layerBlobs: LayerBlobs;
  readonly layers: LayerPusher;
  readonly leases: LayerLeases;
  readonly attestations: Pick<ImageAttestations, 'find'>;
  readonly indexes: Pick<ImageIndexes, 'find'>;
  /** Lock of the catalog, under the key 'catalog'. */
  readonly lock: KeyedLock;
}

/** A tag and the image that has it. */
interface TaggedImage {
  readonly record: ImageRecord;
  readonly tag: string;
}

/** An image that its registry has now. */
interface PushedImage {
  readonly record: ImageRecord;
  readonly configBytes: Uint8Array;
  /** Its manifest as it was sent. */
  readonly bytes: Uint8Array;
  readonly manifestDigest: Digest;
  /** Digest that the tag points to: of the manifest, or of its index. */
  readonly digest: Digest;
  readonly size: number;
  readonly mediaType: string;
}

/** Pushes images of this host (distribution-spec, "Push"): layers, then the configuration, then the manifest. */
export class ImagePusher implements ImagePush {
  readonly #options: ImagePusherOptions;
  /** By registry: a slow one does not block pushes to others. */
  readonly #places = new KeyedPool(() => new Semaphore(MAX_LAYER_UPLOADS));

  constructor(options: ImagePusherOptions) {
    this.#options = options;
  }

  async push(name: string, options: PushOptions): Promise<void> {
    const reference = repositoryOf(name, options.tag);
    options.progress({ kind: 'pushing-to', repository: `${reference.registry}/${reference.repository}` });
    const all = tagged(await this.#options.catalog.list(), reference);
    const images = all.filter(({ tag }) => options.tag === undefined || tag === options.tag);
    if (images.length === 0 && all.length > 0) {
      throw new EngineError('not-found', `tag does not exist: ${familiarReference(reference)}`);
    }
    if (images.length === 0) {
      throw new EngineError(
        'not-found',
        `An image does not exist locally with the tag: ${familiarName(reference)}`,
      );
    }
    for (const image of images) await this.#pushTag(image, reference, options);
  }

  async #pushTag(
    { record, tag }: TaggedImage,
    reference: ImageReference,
    options: PushOptions,
  ): Promise<void> {
    const { events } = this.#options;
    const { registry, repository } = reference;
    const members = await this.#membersOf(record);
    let pushed: PushedImage;
    if (members === undefined) pushed = await this.#pushImage(record, () => tag, reference, options);
    else pushed = await this.#pushIndex(members, tag, reference, options);
    const { digest } = pushed;
    await this.#remember(pushed, { registry, repository, digest });
    options.progress({ kind: 'pushed', tag, digest, size: pushed.size });
    events.publish({
      type: 'image',
      action: 'push',
      id: familiarReference({ registry, repository, tag }),
      attributes: { ...record.config.config.Labels, name: familiarName(reference) },
    });
  }

  /** Returns the images of the index that the image represents. */
  async #membersOf({ id }: ImageRecord): Promise<readonly ImageRecord[] | undefined> {
    const ids = await this.#options.indexes.find(id);
    if (ids === undefined) return undefined;
    const records = await this.#options.catalog.list();
    return ids.map((member) => {
      const found = records.find((record) => record.id === member);
      if (found !== undefined) return found;
      throw new EngineError(
        'not-found',
        `the image was built for several platforms, and ${member} of it was removed: build it again`,
      );
    });
  }

  /** Returns the first image, which represents the index on this host. */
  async #pushIndex(
    members: readonly ImageRecord[],
    tag: string,
    reference: ImageReference,
    options: PushOptions,
  ): Promise<PushedImage> {
    const pushed: PushedImage[] = [];
    for (const record of members) {
      pushed.push(await this.#pushImage(record, digestOf, reference, options));
    }
    const index = indexDocument(
      pushed.map(({ mediaType, digest, size, record }) => ({
        mediaType,
        digest,
        size,
        platform: record.config,
      })),
    );
    const writer = this.#options.registry.writer(reference, options.credentials, []);
    await writer.putManifest(tag, index, options.signal);
    const [first] = pushed;
    if (first === undefined) throw new TypeError('an index has images');
    return { ...first, digest: index.digest, size: index.bytes.length };
  }

  /** Pushes one image. `nameOf` receives the manifest, and returns its tag or digest. */
  async #pushImage(
    record: ImageRecord,
    nameOf: (manifest: Uint8Array) => string,
    reference: ImageReference,
    options: PushOptions,
  ): Promise<PushedImage> {
    const { catalog, leases, attestations, registry } = this.#options;
    return await leases.whileHeld(record.config.diffIds, async () => {
      const stored = await catalog.readManifest(record.manifestDigest);
      const configBytes = await this.#configOf(record);
      const content = { record, stored, configBytes };
      const { bytes, mediaType } = await this.#pushContent(content, nameOf, reference, options);
      const digest = bytes === stored ? record.manifestDigest : digestOf(bytes);
      const subject = { mediaType, digest, size: bytes.byteLength };
      for (const attestation of await attestations.find(record.id)) {
        const writer = registry.writer(reference, options.credentials, []);
        await pushAttestation(writer, attestation, subject, familiarName(reference), options.signal);
      }
      return { record, configBytes, bytes, ...subject, manifestDigest: digest };
    });
  }

  /** Pushes layers, configuration and manifest. Returns the manifest as it was sent. */
  async #pushContent(
    {
      record,
      stored,
      configBytes,
    }: Pick<PushedImage, 'record' | 'configBytes'> & { readonly stored: Uint8Array },
    nameOf: (manifest: Uint8Array) => string,
    reference: ImageReference,
    options: PushOptions,
  ): Promise<{ readonly bytes: Uint8Array; readonly mediaType: string }> {
    const { layerBlobs, layers: pusher, registry } = this.#options;
    const { diffIds } = record.config;
    const { signal, progress } = options;
    const forms = diffIds.map(async (diffId) => [diffId, await layerBlobs.forms(diffId)] as const);
    const layers = layersToPush(readStored(stored), diffIds, new Map(await Promise.all(forms)));
    const mountable = await Promise.all(layers.map((layer) => pusher.mountable(layer, reference)));
    const writer = registry.writer(reference, options.credentials, [...new Set(mountable.flat())]);
    const pushed = await this.#pushLayers(layers, { ...reference, writer, progress, signal });
    if (!(await writer.hasBlob(record.id, signal))) {
      await writer.uploadBlob(wholeBlob(record.id, configBytes), () => undefined, signal);
    }
    const manifest = pushedManifest(stored, diffIds, pushed);
    await writer.putManifest(nameOf(manifest.bytes), manifest, signal);
    return manifest;
  }

  /** Records the digest that its manifest has there, as if the image had been pulled. */
  async #remember(image: PushedImage, name: DigestName): Promise<void> {
    const { catalog, lock } = this.#options;
    const { id, size } = image.record;
    await lock.run('catalog', async () => {
      // The image was removed meanwhile and must not be restored.
      if (!(await catalog.list()).some((record) => record.id === id)) return;
      await catalog.put({
        id,
        configBytes: image.configBytes,
        manifestDigest: image.manifestDigest,
        manifestBytes: image.bytes,
        size,
        names: [name],
      });
    });
  }

  /**
   * Pushes the layers. When one fails the others are aborted, and its error is thrown. The top layer is reported first,
   * as in dockerd.
   */
  async #pushLayers(
    layers: readonly LayerToPush[],
    pushTarget: PushTarget,
  ): Promise<ReadonlyMap<Digest, LayerToPush['forms'][number]>> {
    const topFirst = layers.toReversed();
    const tell = (layer: LayerToPush, state: 'preparing' | 'waiting') =>
      pushTarget.progress({ kind: 'layer', id: shortDigest(layer.diffId), state });
    for (const layer of topFirst) tell(layer, 'preparing');
    return await this.#places.use(pushTarget.registry, async (places) => {
      const pushed = await allTogether(topFirst, pushTarget.signal, async (layer, signal) => {
        if (places.isFull) tell(layer, 'waiting');
        const push = () => this.#options.layers.push(layer, { ...pushTarget, signal });
        return [layer.diffId, await places.hold(signal, push)] as const;
      });
      return new Map(pushed);
    });
  }

  async #configOf(record: ImageRecord): Promise<Uint8Array> {
    const bytes = await this.#options.catalog.findConfig(record.id);
    if (bytes !== undefined) return bytes;
    throw new EngineError('not-found', `No such image: ${record.id}`);
  }
}

function repositoryOf(name: string, tag: string | undefined): ImageReference {
  const reference = readReference(tag === undefined ? name : `${name}:${tag}`);
  if (reference.digest !== undefined) throw new EngineError('bad-request', 'cannot push a digest reference');
  return reference;
}

function tagged(records: readonly ImageRecord[], reference: ImageReference): readonly TaggedImage[] {
  return records.flatMap((record) =>
    record.names
      .filter(isTagName)
      .filter((name) => name.registry === reference.registry && name.repository === reference.repository)
      .map((name) => ({ record, tag: name.tag })),
  );
}

function wholeBlob(digest: Digest, bytes: Uint8Array): PushedBlob {
  return {
    digest,
    size: bytes.byteLength,
    async *read(start) {
      yield bytes.subarray(start);
    },
  };
}

function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Reads a stored manifest: it was readable when it was stored, so a failure now means damage. */
function readStored(bytes: Uint8Array): Manifest {
  try {
    return readManifest(bytes);
  } catch (error) {
    if (!(error instanceof OciError)) throw error;
    throw new EngineError('bad-request', `the image is broken: ${error.message}`, { cause: error });
  }
}
