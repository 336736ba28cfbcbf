import { join } from 'node:path';
import type { Knex } from 'knex';
import { KeyedLock } from '../../lib/sync/semaphore.ts';
import type { Digest } from '../../oci/digest.ts';
import type { RegistryClient } from '../../oci/distribution/registry-client.ts';
import { BlobStore } from '../../storage/blobs/blob-store.ts';
import { openFilesystemDriver } from '../../storage/blobs/filesystem/filesystem-driver.ts';
import type { EventBus } from '../events/event-bus.ts';
import type { LayerStore } from '../snapshots/layer-store.ts';
import { ImageAttestations } from './attestations/image-attestations.ts';
import { LayerCompressor } from './compression/layer-compressor.ts';
import { findDecompressors } from './decompress.ts';
import { ImageCatalog } from './image-catalog.ts';
import { ImageService } from './image-service.ts';
import { ImageIndexes } from './indexes/image-indexes.ts';
import { LayerBlobs } from './layer-blobs/layer-blobs.ts';
import { LayerFetcher, LayerLeases } from './layer-fetcher.ts';
import { LayerTransfer } from './layer-transfer/layer-transfer.ts';
import { AgentPendingImages } from './pending/agent-pending-images.ts';
import type { PendingImages } from './pending/pending-images.ts';
import type { ImagePush } from './push/image-push.ts';
import { ImagePusher } from './push/image-pusher.ts';
import { LayerPusher } from './push/layer-pusher.ts';

export interface CreateImagesOptions {
  readonly dataDirectory: string;
  /** From openAgentDatabase. */
  readonly knex: Knex;
  readonly layerStore: LayerStore;
  readonly registry: RegistryClient;
  readonly events: EventBus;
  /** Whether compressed layers of pulled images are stored, so that they can be pushed unchanged. */
  readonly keepLayerBlobs: boolean;
  /** Maximum bytes of an uncompressed layer. */
  readonly layerLimit: number;
  /** Returns layers that are in use without an image; no sweep removes them. */
  readonly otherLayers: () => Promise<readonly Digest[]>;
}

/** The images of a host, and the services that create new ones. */
export interface AgentImages {
  readonly images: ImageService;
  readonly pendingImages: PendingImages;
  readonly push: ImagePush;
  readonly leases: LayerLeases;
  /** Moves layers that belong to no image. */
  readonly transfer: LayerTransfer;
  readonly attestations: ImageAttestations;
  readonly indexes: ImageIndexes;
  /** Makes other forms of layers. */
  readonly compressor: LayerCompressor;
  readonly layerBlobs: LayerBlobs;
}

/**
 * Opens the images of a host, with manifests and configurations in `<dataDirectory>/content`, and sweeps leftovers of a
 * killed agent.
 */
export async function createImages(options: CreateImagesOptions): Promise<AgentImages> {
  const driver = await openFilesystemDriver(join(options.dataDirectory, 'content'));
  for await (const { id } of driver.listUploads()) await driver.abortUpload({ id, size: 0, detail: '' });
  const { layerLimit, knex, layerStore, registry, events } = options;
  const catalog = new ImageCatalog(knex, new BlobStore(driver));
  const layerBlobs = new LayerBlobs(knex, driver, { keep: options.keepLayerBlobs });
  const leases = new LayerLeases(layerStore, layerBlobs);
  const lock = new KeyedLock();
  const decompressors = await findDecompressors();
  const images = new ImageService({
    catalog,
    layerStore,
    leases,
    layerBlobs,
    lock,
    registry,
    events,
    decompressors,
    layerLimit,
    otherLayers: options.otherLayers,
  });
  await images.sweep();
  const pendingImages = new AgentPendingImages({
    catalog,
    layerStore,
    leases,
    layerLimit,
    lock,
    sweep: () => images.sweep(),
  });
  const attestations = new ImageAttestations(knex);
  const compressor = new LayerCompressor(layerStore, layerBlobs);
  const layers = new LayerPusher(layerStore, layerBlobs, compressor);
  const indexes = new ImageIndexes(knex);
  const push = new ImagePusher({
    indexes,
    catalog,
    registry,
    events,
    layerBlobs,
    layers,
    leases,
    lock,
    attestations,
  });
  const fetcher = new LayerFetcher({ layerStore, leases, layerLimit, layerBlobs, decompressors });
  const transfer = new LayerTransfer({ registry, layerBlobs, pusher: layers, fetcher });
  return { images, pendingImages, push, leases, transfer, attestations, compressor, indexes, layerBlobs };
}
