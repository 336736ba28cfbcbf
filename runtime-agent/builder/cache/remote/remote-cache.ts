import type { Digest } from '../../../../oci/digest.ts';
import type { RegistryCredentials } from '../../../../oci/distribution/credentials/registry-credentials.ts';
import type { Descriptor } from '../../../../oci/manifest.ts';
import type { RemoteStep } from './cache-document.ts';

/** A cache outside of this host. */
export type CacheSource =
  | { readonly kind: 'registry'; readonly reference: string }
  /** In a folder of the client's, by the path that it gives; `digest` is of the manifest. */
  | { readonly kind: 'folder'; readonly path: string; readonly digest: Digest };

/** Where a build leaves its steps. */
export type CacheTarget = {
  /** `max` keeps the steps of all stages. */
  readonly mode: 'min' | 'max';
  /** Whether the build goes on when it cannot be left there. */
  readonly ignoresErrors: boolean;
} & (
  | { readonly kind: 'registry'; readonly reference: string }
  | { readonly kind: 'folder'; readonly path: string }
);

/** Bytes of a layer that have come or gone. */
export type LayerProgress = (diffId: Digest, current: number, total: number) => void;

/** The steps of a cache that was read. */
export interface ImportedCache {
  /** The step that one of these keys stands for. */
  find(keys: readonly string[]): RemoteStep | undefined;
  /**
   * Brings the layer of one of its steps here; it is held until `whileHeld` has ended. Throws EngineError where its place has it no
   * more.
   */
  fetchLayer(
    diffId: Digest,
    progress: LayerProgress,
    signal: AbortSignal,
    whileHeld: () => Promise<void>,
  ): Promise<void>;
}

/** What a client lends for its caches. */
export interface CacheClient {
  /** Credentials for a registry; undefined for anonymous access. */
  credentials(registry: string, signal: AbortSignal): Promise<RegistryCredentials | undefined>;
  /** A folder that the client lends for a cache. Throws EngineError 'bad-request' where it lends none. */
  folderContent(path: string): ClientContent;
}

/** Caches of steps outside of this host: in registries, which hosts share, and in folders of clients. */
export interface RemoteCaches {
  /** Throws EngineError 'not-found' where there is nothing, 'bad-request' where it is no cache of this kind. */
  read(place: CacheSource, client: CacheClient, signal: AbortSignal): Promise<ImportedCache>;
  /**
   * Puts steps there in place of what was there; their layers are here and held by the caller. Answers the manifest where the client
   * has to note it. Throws as ImagePush.push and ClientContent.write do.
   */
  write(
    place: CacheTarget,
    client: CacheClient,
    steps: readonly RemoteStep[],
    progress: LayerProgress,
    signal: AbortSignal,
  ): Promise<Descriptor | undefined>;
}

/** Blobs in a folder of the client's, an OCI layout, by their digests. The client keeps its index itself. */
export interface ClientContent {
  /** The size in bytes; undefined where it is not there. */
  find(digest: Digest, signal: AbortSignal): Promise<number | undefined>;
  /** As the client has it, so what comes is to be checked. Throws EngineError 'not-found'. */
  read(digest: Digest, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /**
   * Puts a blob there, whole or not at all, and nothing where it is. `progress` gets the bytes that have gone. Throws EngineError
   * 'bad-request' with the client's words where it cannot keep it.
   */
  write(
    blob: Pick<Descriptor, 'digest' | 'size'>,
    content: () => AsyncIterable<Uint8Array>,
    progress: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<void>;
}
