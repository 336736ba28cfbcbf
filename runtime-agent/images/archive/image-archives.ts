import type { ImageConfigDefaults } from '../../../oci/image-config.ts';
import type { Image, Platform } from '../image.ts';
import type { TagName } from '../image-record.ts';

/** Progress of a load. */
export type LoadProgress =
  | { readonly kind: 'layer'; readonly id: string; readonly current: number; readonly total: number }
  /** A name moved here from another image. */
  | { readonly kind: 'renamed'; readonly name: string; readonly oldId: string }
  | { readonly kind: 'loaded'; readonly name: string }
  /** Reported if no image of the archive has a name. */
  | { readonly kind: 'loaded-id'; readonly id: string };

export interface ImportOptions {
  readonly name?: TagName;
  readonly message: string;
  readonly platform: Platform;
  /** Base configuration for the changes of an import. */
  readonly config: ImageConfigDefaults;
}

/** Images as files: `docker save`, `load` and `import`. */
export interface ImageArchives {
  /**
   * Returns an archive of images by name (all tags of a repository without a tag), ID or prefix of one: an OCI layout
   * (image-spec, image-layout.md) that also has docker's manifest.json. Reproducible. It must be read to its end, or
   * its iterator returned. Throws EngineError 'not-found', 'bad-request'.
   */
  save(names: readonly string[], signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;

  /**
   * Loads the images of an archive, docker's or an OCI layout, compressed or not. Each image is loaded completely or
   * not at all; every digest is verified. Throws EngineError 'bad-request' for an invalid archive, 'storage-full'.
   */
  load(
    archive: AsyncIterable<Uint8Array>,
    progress: (step: LoadProgress) => void,
    signal: AbortSignal,
  ): Promise<void>;

  /** Makes an image from the tar of a tree, compressed or not. Throws EngineError 'bad-request', 'storage-full'. */
  import(tar: AsyncIterable<Uint8Array>, options: ImportOptions, signal: AbortSignal): Promise<Image>;
}
