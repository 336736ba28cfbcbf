import type { Digest } from '../../oci/digest.ts';
import type { ImageReference } from '../../oci/reference.ts';
import type { LayerCompression } from '../images/compression/layer-compression.ts';
import type { Platform } from '../images/image.ts';
import type { FileTree } from './context/file-tree.ts';

/** The form that an output wants layers in. */
export interface LayerForms {
  readonly compression: LayerCompression;
  /** Whether a layer may stay in the form that a registry had. */
  readonly keeps: (diffId: Digest) => boolean;
  /** Receives the number of bytes of layers that are done. */
  readonly progress: (diffId: Digest, done: number, total: number) => void;
}

/** The content of an archive. */
export interface ArchivedImages {
  /** One for each platform. */
  readonly images: readonly {
    readonly id: Digest;
    readonly platform: Platform;
    readonly forms: LayerForms;
  }[];
  /** Whether they have an index of their own. */
  readonly isIndex: boolean;
  /** Names of the image, or of the index. */
  readonly names: readonly ImageReference[];
}

/** Outputs of built images. */
export interface ImageOutputs {
  /** Compresses the image's layers in these forms, for all later pushes. */
  compress(image: Digest, forms: LayerForms, signal: AbortSignal): Promise<void>;
  /** Returns an OCI layout with docker's manifest.json. */
  archive(archived: ArchivedImages, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Returns the files of the image as one tar. */
  filesTar(image: Digest, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Opens the files of the image; they exist until the tree's `release`. */
  files(image: Digest): Promise<FileTree>;
}
