import type { RegistryCredentials } from '../../../oci/distribution/credentials/registry-credentials.ts';

/** What a push tells while it works; engine-api/ words it as dockerd does. `id` is the short diff ID of a layer. */
export type PushProgress =
  | { readonly kind: 'pushing-to'; readonly repository: string }
  | {
      readonly kind: 'layer';
      readonly id: string;
      readonly state: 'preparing' | 'waiting' | 'pushing' | 'pushed' | 'already-exists' | 'mounted';
      /** Bytes so far and in all, for `preparing` and `pushing`. */
      readonly current?: number;
      readonly total?: number;
      /** The repository that it was mounted from. */
      readonly from?: string;
    }
  /** The image gets another digest than it came with or was pushed with before; `id` is the layer that is why. */
  | { readonly kind: 'compressed-anew'; readonly id: string }
  | { readonly kind: 'pushed'; readonly tag: string; readonly digest: string; readonly size: number };

export interface PushOptions {
  /** Undefined pushes every tag that the repository has here. */
  readonly tag?: string;
  /** Those of the agent's own configuration where there are none. */
  readonly credentials?: RegistryCredentials;
  readonly progress: (step: PushProgress) => void;
  readonly signal: AbortSignal;
}

/** Sends images of this host to registries. */
export interface ImagePush {
  /**
   * `docker push`: `name` is a repository, without tag or digest. An image goes out with the manifest that it came with when
   * the bytes of its layers are here, or the registry has them; layers that were made here are compressed once. Layers that
   * the registry has are not sent. Throws EngineError ('not-found', 'unauthorized', 'registry', 'bad-request', 'storage-full').
   */
  push(name: string, options: PushOptions): Promise<void>;
}
