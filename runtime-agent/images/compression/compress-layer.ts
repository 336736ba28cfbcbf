import { createHash } from 'node:crypto';
import type { Digest } from '../../../oci/digest.ts';
import type { Snapshotter } from '../../snapshots/snapshotter.ts';
import { storageFull } from '../../storage-full.ts';
import type { LayerBlobs, LayerForm } from '../layer-blobs/layer-blobs.ts';
import { type LayerCompression, ociLayerType } from './layer-compression.ts';
import { gzip } from './parallel-gzip.ts';
import { zstd } from './parallel-zstd.ts';

export interface CompressRequest {
  readonly diffId: Digest;
  readonly compression: LayerCompression & { readonly kind: 'gzip' | 'zstd' };
  readonly snapshotter: Snapshotter;
  readonly layerBlobs: LayerBlobs;
  /** Gets the bytes of the tar that are done. */
  readonly progress: (done: number) => void;
  readonly signal: AbortSignal;
}

/** Compresses a layer of this host and keeps it with its description. Throws EngineError 'storage-full', 'not-found'. */
export async function compressLayer(request: CompressRequest): Promise<LayerForm['blob']> {
  const { diffId, compression, snapshotter, layerBlobs, progress, signal } = request;
  const { kind, level } = compression;
  const kept = await layerBlobs.keepingNew();
  try {
    const hash = createHash('sha256');
    let size = 0;
    const tar = counted(snapshotter.readLayer(diffId, signal), progress);
    for await (const chunk of kept.pass(kind === 'zstd' ? zstd(tar, level) : gzip(tar, level))) {
      hash.update(chunk);
      size += chunk.length;
    }
    const digest: Digest = `sha256:${hash.digest('hex')}`;
    const blob: LayerForm['blob'] = { digest, mediaType: ociLayerType(kind), size };
    await layerBlobs.recordMade({ diffId, blob });
    await kept.commit(digest);
    return blob;
  } catch (error) {
    throw storageFull(error) ?? error;
  } finally {
    await kept.close();
  }
}

async function* counted(
  tar: AsyncIterable<Uint8Array>,
  progress: (done: number) => void,
): AsyncGenerator<Uint8Array> {
  let done = 0;
  for await (const chunk of tar) {
    yield chunk;
    done += chunk.length;
    progress(done);
  }
}
