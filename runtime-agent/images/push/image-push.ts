import type { RegistryCredentials } from '../../../oci/distribution/credentials/registry-credentials.ts';

/** Progress of a push, which engine-api/ formats as dockerd does. `id` is the short diff ID of a layer. */
export type PushProgress =
  | { readonly kind: 'pushing-to'; readonly repository: string }
  | {
      readonly kind: 'layer';
      readonly id: string;
      readonly state: 'preparing' | 'waiting' | 'pushing' | 'pushed' | 'already-exists' | 'mounted';
      /** Bytes so far and in total, for `preparing` and `pushing`. */
      readonly current?: number;
      readonly total?: number;
      /** The repository that it was mounted from. */
      readonly from?: string;
    }
  /** The image gets a new digest, unlike its pull or earlier push; `id` is the layer that causes it. */
  | { readonly kind: 'compressed-anew'; readonly id: string }
  | { readonly kind: 'pushed'; readonly tag: string; readonly digest: string; readonly size: number };

export interface PushOptions {
  /** Undefined pushes every tag that the repository has here. */
  readonly tag?: string;
  /** By default those of the agent's own configuration. */
  readonly credentials?: RegistryCredentials;
  readonly progress: (step: PushProgress) => void;
  readonly signal: AbortSignal;
}

/** Sends images of this host to registries. */
export interface ImagePush {
  /**
   * `docker push`: `name` is a repository, without tag or digest. An image is pushed with its original manifest if the
   * bytes of its layers are on this host, or in the registry; layers that were made here are compressed once. Layers
   * that the registry has are not sent. Throws EngineError ('not-found', 'unauthorized', 'registry', 'bad-request',
   * 'storage-full').
   */
  push(name: string, options: PushOptions): Promise<void>;
}
