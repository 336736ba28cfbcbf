import { createHash } from 'node:crypto';
import type { Digest } from '../../../storage/oci/digest.ts';
import type { Snapshotter } from '../../snapshots/snapshotter.ts';
import { storageFull } from '../../snapshots/storage-full.ts';
import type { LayerBlobs, LayerForm } from '../layer-blobs/layer-blobs.ts';
import { gzip } from './parallel-gzip.ts';

export interface CompressRequest {
  readonly diffId: Digest;
  readonly mediaType: string;
  readonly snapshotter: Snapshotter;
  readonly layerBlobs: LayerBlobs;
  /** Gets the bytes of the tar that are done. */
  readonly progress: (done: number) => void;
  readonly signal: AbortSignal;
}

/** Makes a gzip of a layer of this host and keeps it with its description. Throws EngineError 'storage-full', 'not-found'. */
export async function compressLayer(request: CompressRequest): Promise<LayerForm['blob']> {
  const { diffId, mediaType, snapshotter, layerBlobs, progress, signal } = request;
  const kept = await layerBlobs.keepingNew();
  try {
    const hash = createHash('sha256');
    let size = 0;
    const compressed = gzip(counted(snapshotter.readLayer(diffId, signal), progress));
    for await (const chunk of kept.pass(compressed)) {
      hash.update(chunk);
      size += chunk.length;
    }
    const blob: LayerForm['blob'] = { digest: `sha256:${hash.digest('hex')}`, mediaType, size };
    await layerBlobs.record([{ diffId, blob }]);
    await kept.commit(blob.digest);
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
