import { createHash } from 'node:crypto';
import type { Digest } from '../../../../storage/oci/digest.ts';
import type { ImageReference } from '../../../../storage/oci/image-reference.ts';
import { readManifest } from '../../../../storage/oci/manifest.ts';
import { MEDIA_TYPES } from '../../../../storage/oci/media-types.ts';
import { EngineError } from '../../../errors.ts';
import type { RegistryCredentials } from '../../../images/images.ts';
import type { LayerTransfer } from '../../../images/layer-transfer/layer-transfer.ts';
import { planLayers } from '../../../images/pull-plan.ts';
import { readReference } from '../../../images/read-reference.ts';
import { verifiedBlob } from '../../../images/verified-blob.ts';
import {
  CACHE_CONFIG_TYPE,
  decodeCacheDocument,
  decodeInlineCache,
  encodeCacheDocument,
  MAX_CACHE_DOCUMENT,
  type RemoteStep,
} from './cache-document.ts';
import type { ImportedCache, LayerProgress, RemoteCaches } from './remote-cache.ts';

/** RemoteCaches as OCI artifacts under tags (image-spec, manifest.md, "Guidelines for Artifact Usage"). */
export class RegistryCaches implements RemoteCaches {
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
    const { bytes } = await repository.fetchManifest(referenceIn(reference), signal);
    const manifest = readManifest(bytes);
    const { config } = manifest;
    if (config === undefined) throw notOne(name);
    if (config.size > MAX_CACHE_DOCUMENT)
      throw new EngineError('bad-request', `the cache ${name} is too large`);
    const content = await Array.fromAsync(verifiedBlob(config, repository.readBlob(config, signal)));
    const isArtifact = config.mediaType === CACHE_CONFIG_TYPE;
    const document = (isArtifact ? decodeCacheDocument : decodeInlineCache)(Buffer.concat(content));
    if (document === undefined) throw notOne(name);
    const { steps, diffIds } = document;
    const layers = new Map(planLayers(manifest.layers, diffIds).map((layer) => [layer.diffId, layer]));
    const byKey = new Map<string, RemoteStep>();
    for (const step of steps) {
      if (step.diffId !== undefined && !layers.has(step.diffId)) continue;
      for (const key of step.keys) byKey.set(key, step);
    }
    return {
      find: (keys) => keys.map((key) => byKey.get(key)).find((step) => step !== undefined),
      fetchLayer: async (diffId, progress, abort, whileHeld) => {
        const layer = layers.get(diffId);
        if (layer === undefined) throw new TypeError('only layers of its steps are asked for');
        const report = (current: number, total: number) => progress(diffId, current, total);
        await this.#transfer.fetch(layer, repository, report, abort, whileHeld);
      },
    };
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
    const diffIds = [...new Set(steps.flatMap(({ diffId }) => diffId ?? []))];
    const sent = await this.#transfer.send(diffIds, reference, credentials, progress, signal);
    const writer = this.#transfer.writer(reference, credentials);
    const document = encodeCacheDocument({ steps, diffIds });
    const config = { mediaType: CACHE_CONFIG_TYPE, digest: digestOf(document), size: document.length };
    if (!(await writer.hasBlob(config.digest, signal))) {
      await writer.uploadBlob(
        { ...config, read: (start) => only(document.subarray(start)) },
        () => undefined,
        signal,
      );
    }
    const layers = diffIds.map((diffId) => sent.get(diffId));
    const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config, layers };
    const bytes = Buffer.from(JSON.stringify(manifest));
    await writer.putManifest(referenceIn(reference), { bytes, mediaType: MEDIA_TYPES.ociManifest }, signal);
  }
}

function notOne(name: string): EngineError {
  return new EngineError(
    'bad-request',
    `${name} is no build cache of this agent, nor an image that holds one`,
  );
}

function referenceIn(reference: ImageReference): string {
  return reference.digest ?? reference.tag ?? 'latest';
}

function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
