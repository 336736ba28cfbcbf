import type { Digest } from '../../oci/digest.ts';
import type { RegistryCredentials } from '../../oci/distribution/credentials/registry-credentials.ts';
import type { Image, Platform } from './image.ts';

/** What a pull tells while it works; engine-api/ words it as dockerd does. `id` is the short layer digest. */
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
      /** Bytes so far and in all, for `downloading` and `extracting`. */
      readonly current?: number;
      readonly total?: number;
    }
  | { readonly kind: 'digest'; readonly digest: string }
  | { readonly kind: 'status'; readonly newer: boolean; readonly reference: string };

export interface PullOptions {
  readonly platform?: Platform;
  /** Leaves the tag with the image that has it: the pulled one is known by its digest. */
  readonly leavesTag?: boolean;
  readonly credentials?: RegistryCredentials;
  readonly progress: (step: PullProgress) => void;
  readonly signal: AbortSignal;
}

/** What an image removal did, in order, as `docker rmi` prints it. */
export type ImageRemoval = { readonly untagged: string } | { readonly deleted: string };

/** The images of this host. Names are what users type: `app`, `host:5000/team/app:1`, `…@sha256:…`, an ID or a prefix of one. */
export interface Images {
  /**
   * Pulls `reference` and answers when the image can run. Nothing half-pulled is ever visible; layers that
   * are here already are not fetched. Throws EngineError ('not-found', 'unauthorized', 'registry',
   * 'bad-request', 'storage-full').
   */
  pull(reference: string, options: PullOptions): Promise<Image>;
  list(): Promise<readonly Image[]>;
  /** Throws EngineError 'not-found' (`No such image: x:tag`), 'bad-request' where a prefix is ambiguous. */
  get(name: string): Promise<Image>;
  tag(name: string, target: string): Promise<void>;
  /**
   * `docker rmi`: removes a tag, and the image with its last one. `users` are the containers of this host: an image that one
   * of them uses is not removed (EngineError 'conflict', worded as dockerd does) unless by `force`; while one runs, it is only
   * untagged then.
   */
  remove(
    name: string,
    options: { readonly force: boolean; readonly users: readonly ImageUser[] },
  ): Promise<readonly ImageRemoval[]>;
  /** A container that had this image has gone: where the image went before it, its layers go now. */
  containerGone(id: Digest): Promise<void>;
}

export interface ImageUser {
  readonly containerId: string;
  readonly imageId: string;
  /** The reference that the container was created with. */
  readonly imageName: string;
  readonly running: boolean;
}
