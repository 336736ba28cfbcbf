import type { Digest } from '../../../oci/digest.ts';
import type { Image } from '../image.ts';
import type { TagName } from '../image-record.ts';

/** An image that is to be recorded; all its layers are kept by the draft. */
export interface DraftedImage {
  /** The whole configuration (image-spec, config.md), with the diff IDs of the layers; its digest becomes the image's ID. */
  readonly config: Uint8Array;
  /** The manifest by which it came; without it one of uncompressed layers is made. */
  readonly manifest?: { readonly digest: Digest; readonly bytes: Uint8Array };
  /** The image that it was committed on. */
  readonly parent?: Digest;
  /** An image that had one of them loses it. */
  readonly names?: readonly TagName[];
}

/** Images in the making, of one commit, import, load or build. Until `release` no prune and no sweep takes anything of them. */
export interface ImageDraft {
  /** Keeps layers that are here. Throws EngineError 'not-found'. */
  keepLayers(diffIds: readonly Digest[]): Promise<void>;

  /**
   * Adds a layer, or keeps the same one that is here already, and answers its diff ID. Where one is `expected`, the tar is
   * held against it. Throws EngineError 'bad-request' for what is no layer or another one, 'storage-full'.
   */
  addLayer(tar: AsyncIterable<Uint8Array>, signal: AbortSignal, expected?: Digest): Promise<Digest>;

  /**
   * Records an image, as often as wanted; it is there, named or not, when this resolves, also after a power cut. An image
   * with this ID that is here already gets the names. Throws EngineError 'bad-request' for a configuration that is none,
   * 'not-found' for a layer that the draft does not keep, 'storage-full'.
   */
  finish(image: DraftedImage): Promise<Image>;

  /** Always call it: keeps nothing any longer, and takes layers away that came into no image. No error when called twice. */
  release(): Promise<void>;
}

/** Makes images on this host. */
export interface ImageDrafts {
  begin(): ImageDraft;

  /** The configuration of an image, byte for byte. Throws EngineError 'not-found'. */
  readConfig(id: Digest): Promise<Uint8Array>;

  /** Whether a draft that is not released has recorded this image: it is not to be pruned. */
  isDrafted(id: Digest): boolean;
}
