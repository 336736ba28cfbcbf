import { fstatSync, writeSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { TarFormatError } from '../../../lib/tar/tar-header.ts';
import type { IndexOrder, IndexReport } from './index-thread.ts';
import { readLayerTree } from './read-layer-tree.ts';
import { writeIndex } from './write-index.ts';

parentPort?.on('message', (order: IndexOrder) => parentPort?.postMessage(makeIndex(order)));

function makeIndex({ id, tar, image, uuid }: IndexOrder): IndexReport {
  try {
    const { root } = readLayerTree(tar);
    let position = 0;
    for (const piece of writeIndex(root, fstatSync(tar).size, Buffer.from(uuid, 'hex'))) {
      for (let at = 0; at < piece.length; ) {
        const written = writeSync(image, piece, at, piece.length - at, position);
        at += written;
        position += written;
      }
    }
    return { id };
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    if (error instanceof TarFormatError) return { id, malformed: message };
    return { id, failure: message, ...(code !== undefined && { code }) };
  }
}
