import type { Digest } from '../../../oci/digest.ts';
import type { Image } from '../image.ts';
import type { TagName } from '../image-record.ts';

/** An image to record; the pending image keeps all its layers. */
export interface FinishedImage {
  /** The whole configuration (image-spec, config.md), with the diff IDs of the layers; its digest becomes the image's ID. */
  readonly config: Uint8Array;
  /** The manifest that it came with; without one, `finish` makes a manifest of uncompressed layers. */
  readonly manifest?: { readonly digest: Digest; readonly bytes: Uint8Array };
  /** The parent image of a commit. */
  readonly parent?: Digest;
  /** Names to give it; another image that has one of them loses it. */
  readonly names?: readonly TagName[];
}

/**
 * The images and layers that one commit, import, load or build makes. Until `release`, no prune and no sweep removes
 * any of them.
 *
 * A commit, for example:
 *
 *     const pending = pendingImages.begin();
 *     try {
 *       await pending.keepLayers(parent.diffIds);                 // the parent's layers cannot be swept now
 *       const layer = await pending.addLayer(tar, signal);        // the same for the new one
 *       await pending.finish({ config: configOf(parent, layer) }); // the image is recorded and durable
 *     } finally {
 *       await pending.release();                                  // layers without an image are removed
 *     }
 */
export interface PendingImage {
  /** Keeps layers of this host. Throws EngineError 'not-found'. */
  keepLayers(diffIds: readonly Digest[]): Promise<void>;

  /**
   * Adds a layer, or keeps the same one if it exists already, and returns its diff ID; with `expected`, the tar must
   * have that diff ID. Throws EngineError 'bad-request' for a malformed tar or another diff ID, 'storage-full'.
   */
  addLayer(tar: AsyncIterable<Uint8Array>, signal: AbortSignal, expected?: Digest): Promise<Digest>;

  /**
   * Records an image; may be called for several. Once it resolves the image survives a power cut, named or not. If an image with this ID
   * is here already, it gets the names. Throws EngineError 'bad-request' for an invalid configuration, 'not-found' for a layer that this
   * does not keep, 'storage-full'.
   */
  finish(image: FinishedImage): Promise<Image>;

  /**
   * Releases all layers and images, and removes added layers that no image uses. Must always be called; a second call
   * does nothing.
   */
  release(): Promise<void>;
}

/** Makes images on this host. */
export interface PendingImages {
  begin(): PendingImage;

  /** Returns the configuration of an image, byte for byte. Throws EngineError 'not-found'. */
  readConfig(id: Digest): Promise<Uint8Array>;

  /** Reports whether a pending image that is not released has recorded this image, which must then not be pruned. */
  isPending(id: Digest): boolean;
}
