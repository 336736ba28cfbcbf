import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestHex } from '../../../oci/digest.ts';
import { invalidLayer } from '../layer-tar.ts';
import type { IndexThread } from './index-thread.ts';
import { INDEX, TAR } from './layer-files.ts';

/**
 * Writes the index of a layer beside its complete tar; both are mounted together. Leaves nothing when it fails. Throws
 * EngineError 'bad-request' for a tar that makes no tree, the signal's reason, and what the device fails with.
 */
export async function indexLayer(
  folder: string,
  diffId: Digest,
  thread: IndexThread,
  signal?: AbortSignal,
): Promise<void> {
  const path = join(folder, `${INDEX}.new`);
  const tar = await open(join(folder, TAR), 'r');
  try {
    const image = await open(path, 'w', 0o600);
    try {
      signal?.throwIfAborted();
      // The same for the same layer, so that an index can be made again byte for byte.
      const uuid = digestHex(diffId).slice(0, 32);
      const malformed = await thread.makeIndex({ tar: tar.fd, image: image.fd, uuid });
      if (malformed !== undefined) throw invalidLayer(diffId, malformed);
      signal?.throwIfAborted();
      await image.sync();
    } finally {
      await image.close();
    }
    await rename(path, join(folder, INDEX));
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await tar.close();
  }
}
