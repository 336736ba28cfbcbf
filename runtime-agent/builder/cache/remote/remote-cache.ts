import type { Digest } from '../../../../oci/digest.ts';
import type { RegistryCredentials } from '../../../../oci/distribution/credentials/registry-credentials.ts';
import type { Descriptor } from '../../../../oci/manifest.ts';
import type { RemoteStep } from './cache-document.ts';

/** A cache outside this host. */
export type CacheSource =
  | { readonly kind: 'registry'; readonly reference: string }
  /** In a client's folder, by the client's path; `digest` is that of the manifest. */
  | { readonly kind: 'folder'; readonly path: string; readonly digest: Digest };

/** Where a build exports its steps. */
export type CacheTarget = {
  /** `max` includes the steps of all stages. */
  readonly mode: 'min' | 'max';
  /** Whether the build continues when it cannot be written. */
  readonly ignoresErrors: boolean;
} & (
  | { readonly kind: 'registry'; readonly reference: string }
  | { readonly kind: 'folder'; readonly path: string }
);

/** Gets the bytes of a layer that were received or sent. */
export type LayerProgress = (diffId: Digest, current: number, total: number) => void;

/** The steps of a cache that was read. */
export interface ImportedCache {
  /** Finds the step with one of these keys. */
  find(keys: readonly string[]): RemoteStep | undefined;
  /**
   * Brings the layer of one of its steps to this host; it is held until `whileHeld` has ended. Throws EngineError if
   * its source no longer has it.
   */
  fetchLayer(
    diffId: Digest,
    progress: LayerProgress,
    signal: AbortSignal,
    whileHeld: () => Promise<void>,
  ): Promise<void>;
}

/** The parts of a client that its caches need. */
export interface CacheClient {
  /** Credentials for a registry; undefined for anonymous access. */
  credentials(registry: string, signal: AbortSignal): Promise<RegistryCredentials | undefined>;
  /** Opens a client's folder for a cache. Throws EngineError 'bad-request' if it offers none. */
  folderContent(path: string): ClientContent;
}

/** Caches of steps outside this host: in registries, which hosts share, and in folders of clients. */
export interface RemoteCaches {
  /**
   * Reads a cache. Throws EngineError 'not-found' if there is none, 'bad-request' if it is not a cache of this kind.
   */
  read(place: CacheSource, client: CacheClient, signal: AbortSignal): Promise<ImportedCache>;
  /**
   * Replaces the steps of a cache; their layers exist here and the caller holds them. Returns the manifest if the
   * client has to record it. Throws as ImagePush.push and ClientContent.write do.
   */
  write(
    place: CacheTarget,
    client: CacheClient,
    steps: readonly RemoteStep[],
    progress: LayerProgress,
    signal: AbortSignal,
  ): Promise<Descriptor | undefined>;
}

/** Blobs in a client's folder, an OCI layout, by digest. The client maintains its index itself. */
export interface ClientContent {
  /** Returns the size in bytes; undefined if it does not exist. */
  find(digest: Digest, signal: AbortSignal): Promise<number | undefined>;
  /** Reads a blob, which the caller must verify. Throws EngineError 'not-found'. */
  read(digest: Digest, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /**
   * Writes a blob atomically, unless it exists. `progress` gets the bytes sent. Throws EngineError 'bad-request' with
   * the client's message when it cannot store it.
   */
  write(
    blob: Pick<Descriptor, 'digest' | 'size'>,
    content: () => AsyncIterable<Uint8Array>,
    progress: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<void>;
}
