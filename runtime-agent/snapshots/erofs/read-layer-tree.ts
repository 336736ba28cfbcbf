import { readSync } from 'node:fs';
import { quoteName, TarFormatError } from '../../../lib/tar/tar-header.ts';
import { type TarEntry, TarParser } from '../../../lib/tar/tar-parser.ts';
import { LayerShape } from '../layer-shape.ts';
import { LayerTree } from '../layer-tree.ts';

/** Fits a few headers: most bodies are small. */
const BUFFER_SIZE = 16 << 10;
const BLOCK = 512;
/** Maximum file size in an index with blocks of that size. */
const MAX_FILE = 2 ** 40;
/** Maximum position that a block number can express. */
const MAX_START = 2 ** 32 * BLOCK;

/**
 * Reads a layer's tree from the headers of its tar, without the bodies. `fd` is a file's descriptor, whose own position
 * is not used. Throws TarFormatError, and errors of reading.
 */
export function readLayerTree(fd: number): LayerTree {
  const tree = new LayerTree();
  const shape = new LayerShape();
  const parser = new TarParser({
    entry: (entry: TarEntry) => {
      shape.entry(entry);
      if (entry.size > MAX_FILE || entry.bodyStart >= MAX_START) {
        throw new TarFormatError(
          `${quoteName(entry.path)} is too large or too far behind: files have up to 1 TiB`,
        );
      }
      tree.entry(entry);
    },
    data: () => undefined,
  });
  const buffer = Buffer.allocUnsafe(BUFFER_SIZE);
  let start = 0;
  let filled = 0;
  for (let position = 0; !parser.hasEnded; ) {
    if (position >= start + filled || position < start) {
      filled = readSync(fd, buffer, 0, BUFFER_SIZE, position);
      if (filled === 0) break;
      start = position;
    }
    const at = position - start;
    // Only up to the next header: a body may follow it.
    const length = Math.min(parser.skippable > 0 ? 0 : BLOCK - (position % BLOCK), filled - at);
    parser.push(buffer.subarray(at, at + length));
    position += length + parser.skippable;
    parser.skip();
  }
  parser.finish();
  return tree;
}
