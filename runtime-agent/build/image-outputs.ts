import type { Digest } from '../../storage/oci/digest.ts';
import type { ImageReference } from '../../storage/oci/image-reference.ts';
import type { FileTree } from './context/file-tree.ts';

/** Images that were built, as something other than an image of this host. */
export interface ImageOutputs {
  /** An OCI layout with docker's manifest.json, in which the image has these names (they need none here). */
  archive(image: Digest, names: readonly ImageReference[], signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** The files of the image as one tar. */
  filesTar(image: Digest, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** The files of the image; they are there until the tree's `release`. */
  files(image: Digest): Promise<FileTree>;
}
