import type { RegistryCredentials } from '../../../../oci/distribution/credentials/registry-credentials.ts';
import { readReference } from '../../../../oci/distribution/errors.ts';
import type { ImageReference } from '../../../../oci/reference.ts';
import { EngineError } from '../../../errors.ts';
import type { LayerTransfer } from '../../../images/layer-transfer/layer-transfer.ts';
import { readReceivedManifest } from '../../../images/resolve-image.ts';
import type { RemoteStep } from './cache-document.ts';
import { cacheManifest, layersOfSteps } from './cache-manifest.ts';
import { importCache } from './import-cache.ts';
import type { ImportedCache, LayerProgress } from './remote-cache.ts';

/**
 * Maximum images of an index that are searched for a cache, one after the other: one for each platform, and
 * attestations.
 */
const MAX_MEMBERS = 100;

/** Caches as OCI artifacts under tags of registries. */
export class RegistryCaches {
  readonly #transfer: LayerTransfer;

  constructor(transfer: LayerTransfer) {
    this.#transfer = transfer;
  }

  async read(
    name: string,
    credentials: RegistryCredentials | undefined,
    signal: AbortSignal,
  ): Promise<ImportedCache> {
    const reference = readReference(name);
    const repository = this.#transfer.repository(reference, credentials);
    const fetch = async (which: string) => (await repository.fetchManifest(which, signal)).bytes;
    const first = await fetch(referenceIn(reference));
    const { manifests: members } = await readReceivedManifest(first, undefined, 'cache');
    if (members.length > MAX_MEMBERS) {
      throw new EngineError(
        'bad-request',
        `the cache ${name} is an index of ${members.length} images: the maximum is ${MAX_MEMBERS}`,
      );
    }
    async function* each() {
      for (const { digest } of members) yield await fetch(digest);
    }
    const found = {
      name,
      origin: repository.origin,
      manifests: members.length === 0 ? [first] : each(),
      readBlob: repository.readBlob.bind(repository),
      streamBlob: repository.streamBlob.bind(repository),
    };
    return await importCache(this.#transfer, found, signal);
  }

  async write(
    name: string,
    credentials: RegistryCredentials | undefined,
    steps: readonly RemoteStep[],
    progress: LayerProgress,
    signal: AbortSignal,
  ): Promise<void> {
    const reference = readReference(name);
    if (reference.digest !== undefined) {
      throw new EngineError('bad-request', `a cache is written under a tag, and ${name} is a digest`);
    }
    const diffIds = layersOfSteps(steps);
    const sent = await this.#transfer.send(diffIds, reference, credentials, progress, signal);
    const writer = this.#transfer.writer(reference, credentials);
    const { config, manifest } = cacheManifest(steps, sent);
    if (!(await writer.hasBlob(config.digest, signal))) {
      await writer.uploadBlob(
        { ...config, read: (start) => only(config.bytes.subarray(start)) },
        () => undefined,
        signal,
      );
    }
    await writer.putManifest(referenceIn(reference), manifest, signal);
  }
}

function referenceIn(reference: ImageReference): string {
  return reference.digest ?? reference.tag ?? 'latest';
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
