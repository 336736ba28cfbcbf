import type { Descriptor } from '../../../../oci/descriptor.ts';
import type { Digest } from '../../../../oci/digest.ts';
import type { BuildSource, CacheSource, CacheTarget } from '../../builder.ts';
import type { RemoteStep } from './cache-document.ts';

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
export type CacheClient = Pick<BuildSource, 'credentials' | 'folderContent'>;

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
