import type { Digest } from '../../../../storage/oci/digest.ts';
import type { RegistryCredentials } from '../../../images/images.ts';
import type { RemoteStep } from './cache-document.ts';

/** Bytes of a layer that have come or gone. */
export type LayerProgress = (diffId: Digest, current: number, total: number) => void;

/** The steps of a cache that was read. */
export interface ImportedCache {
  /** The step that one of these keys stands for. */
  find(keys: readonly string[]): RemoteStep | undefined;
  /**
   * Brings the layer of one of its steps here; it is held until `whileHeld` has ended. Throws EngineError where the registry has it
   * no more.
   */
  fetchLayer(
    diffId: Digest,
    progress: LayerProgress,
    signal: AbortSignal,
    whileHeld: () => Promise<void>,
  ): Promise<void>;
}

/** Caches of steps in registries, which hosts share. */
export interface RemoteCaches {
  /** Throws EngineError 'not-found' where there is nothing, 'bad-request' where it is no cache of this kind. */
  read(
    reference: string,
    credentials: RegistryCredentials | undefined,
    signal: AbortSignal,
  ): Promise<ImportedCache>;
  /** Puts steps there in place of what was there; their layers are here and held by the caller. Throws as ImagePush.push does. */
  write(
    reference: string,
    credentials: RegistryCredentials | undefined,
    steps: readonly RemoteStep[],
    progress: LayerProgress,
    signal: AbortSignal,
  ): Promise<void>;
}
