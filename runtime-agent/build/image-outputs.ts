import type { Digest } from '../../storage/oci/digest.ts';
import type { ImageReference } from '../../storage/oci/image-reference.ts';
import type { LayerCompression } from '../images/compression/layer-compression.ts';
import type { FileTree } from './context/file-tree.ts';

/** The form that an output wants layers in. */
export interface LayerForms {
  readonly compression: LayerCompression;
  /** Layers that may stay as a registry has had them. */
  readonly keeps: (diffId: Digest) => boolean;
  /** Gets the bytes of layers that are done. */
  readonly progress: (diffId: Digest, done: number, total: number) => void;
}

/** What becomes of images that were built. */
export interface ImageOutputs {
  /** Lets the image have layers of these forms wherever it is pushed. */
  compress(image: Digest, forms: LayerForms, signal: AbortSignal): Promise<void>;
  /** An OCI layout with docker's manifest.json, in which the image has these names (they need none here). */
  archive(
    image: Digest,
    names: readonly ImageReference[],
    forms: LayerForms,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array>;
  /** The files of the image as one tar. */
  filesTar(image: Digest, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** The files of the image; they are there until the tree's `release`. */
  files(image: Digest): Promise<FileTree>;
}
