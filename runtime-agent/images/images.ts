import type { Digest } from '../../oci/digest.ts';
import type { RegistryCredentials } from '../../oci/distribution/credentials/registry-credentials.ts';
import type { Image, Platform } from './image.ts';

/** Progress of a pull, which engine-api/ formats as dockerd does. `id` is the short layer digest. */
export type PullProgress =
  | { readonly kind: 'pulling-from'; readonly repository: string; readonly tag: string }
  | {
      readonly kind: 'layer';
      readonly id: string;
      readonly state:
        | 'pulling-fs-layer'
        | 'waiting'
        | 'downloading'
        | 'verifying-checksum'
        | 'download-complete'
        | 'extracting'
        | 'pull-complete'
        | 'already-exists';
      /** Bytes so far and in total, for `downloading` and `extracting`. */
      readonly current?: number;
      readonly total?: number;
    }
  | { readonly kind: 'digest'; readonly digest: string }
  | { readonly kind: 'status'; readonly newer: boolean; readonly reference: string };

export interface PullOptions {
  readonly platform?: Platform;
  /** Whether to leave the tag where it is: the pulled image is known by its digest. */
  readonly leavesTag?: boolean;
  /**
   * Whether to store no compressed layers, for images that are not pushed from here: a pull then writes each layer
   * once.
   */
  readonly discardsBlobs?: boolean;
  readonly credentials?: RegistryCredentials;
  readonly progress: (step: PullProgress) => void;
  readonly signal: AbortSignal;
}

/** One step of the removal of an image, as `docker rmi` prints it. */
export type ImageRemoval = { readonly untagged: string } | { readonly deleted: string };

/**
 * The images of this host.
 *
 * An image is a configuration and its layers; its ID is the digest of the configuration. A name is what users type: a
 * tag (`app`, `host:5000/team/app:1`), a reference by digest (`app@sha256:…`), an ID or a prefix of one. An image may
 * have any number of tags.
 *
 * An image lives from its pull, load, commit or build until its last tag is removed or a prune takes it. Its layers
 * stay while another image, a container or a lease needs them:
 *
 *     await images.pull('app:1', options);                     // the image can run, as a whole
 *     await images.tag('app:1', 'app:latest');
 *     await images.remove('app:1', { force: false, users });   // untags: app:latest still names it
 *     await images.remove('app:latest', { force: true, users }); // removes it; a stopped container keeps its layers
 *     await images.containerGone(id);                          // that container was removed: so are the layers
 */
export interface Images {
  /**
   * Pulls `reference` and resolves when the image can run. A partly pulled image is never visible; layers that are on
   * this host already are not fetched. Throws EngineError ('not-found', 'unauthorized', 'registry', 'bad-request',
   * 'storage-full').
   */
  pull(reference: string, options: PullOptions): Promise<Image>;
  list(): Promise<readonly Image[]>;
  /** Throws EngineError 'not-found' (`No such image: x:tag`), and 'bad-request' for an ambiguous prefix. */
  get(name: string): Promise<Image>;
  tag(name: string, target: string): Promise<void>;
  /**
   * Removes a tag, and with the last tag the image (`docker rmi`). `users` are the containers of this host. Throws EngineError 'conflict',
   * worded as dockerd does, for an image that one of them uses, unless `force` is set; while one of them runs, `force` only untags it.
   */
  remove(
    name: string,
    options: { readonly force: boolean; readonly users: readonly ImageUser[] },
  ): Promise<readonly ImageRemoval[]>;
  /** Removes the layers of an image that was removed before its last container; called after a container is removed. */
  containerGone(id: Digest): Promise<void>;
}

export interface ImageUser {
  readonly containerId: string;
  readonly imageId: string;
  /** The reference that the container was created with. */
  readonly imageName: string;
  readonly running: boolean;
}
