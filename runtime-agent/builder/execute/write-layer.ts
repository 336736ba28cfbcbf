import { encodeEntry, paddingOf, TAR_END_SIZE } from '../../../lib/tar/tar-writer.ts';
import type { FileEntry, FileTree } from '../context/file-tree.ts';

interface CommonFields {
  /** Without a slash at the beginning; each character is one byte. */
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly xattrs: ReadonlyMap<string, string>;
}

/** The entry at one path of a COPY's layer. */
export type LayerEntry = CommonFields &
  (
    | { readonly kind: 'file'; readonly tree: FileTree; readonly file: FileEntry }
    | { readonly kind: 'document'; readonly content: Buffer }
    | { readonly kind: 'folder' | 'fifo' }
    | { readonly kind: 'symlink'; readonly target: string }
    /** A hard link to the file at `target`, which comes before it. */
    | { readonly kind: 'hardlink'; readonly target: string }
    | { readonly kind: 'char' | 'block'; readonly major: number; readonly minor: number }
  );

const CHUNK = 1 << 20;
/** Maximum files read ahead, and their bytes. */
const AHEAD = 16;
const SMALL = 64 << 10;

/**
 * Yields the tar of a layer, in chunks of about a mebibyte. No time in it is after `latest` (seconds since 1970).
 * Reproducible.
 */
export async function* writeLayer(
  entries: Iterable<LayerEntry>,
  latest: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let pending: Uint8Array[] = [];
  let length = 0;
  const add = (bytes: Uint8Array) => {
    pending.push(bytes);
    length += bytes.length;
  };
  for await (const { entry, content } of readAhead(entries)) {
    signal.throwIfAborted();
    add(header(entry, latest));
    if (entry.kind === 'document') {
      add(entry.content);
      add(Buffer.alloc(paddingOf(entry.content.length)));
    } else if (entry.kind === 'file') {
      let size = 0;
      for await (const chunk of content) {
        size += chunk.length;
        add(chunk);
        if (length >= CHUNK) {
          yield Buffer.concat(pending);
          pending = [];
          length = 0;
        }
      }
      if (size !== entry.file.size) throw new Error(`${entry.path} changed while it was copied`);
      add(Buffer.alloc(paddingOf(size)));
    }
    if (length >= CHUNK) {
      yield Buffer.concat(pending);
      pending = [];
      length = 0;
    }
  }
  add(Buffer.alloc(TAR_END_SIZE));
  yield Buffer.concat(pending);
}

interface ReadEntry {
  readonly entry: LayerEntry;
  readonly content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** Yields the entries in order, with small files read ahead: in parallel rather than one after the other. */
async function* readAhead(entries: Iterable<LayerEntry>): AsyncGenerator<ReadEntry> {
  const queue: Promise<ReadEntry>[] = [];
  try {
    for (const entry of entries) {
      const reading = begin(entry);
      // Avoids an unhandled rejection: an earlier failure may prevent its turn.
      reading.catch(() => undefined);
      queue.push(reading);
      if (queue.length > AHEAD) yield await (queue.shift() as Promise<ReadEntry>);
    }
    while (queue.length > 0) yield await (queue.shift() as Promise<ReadEntry>);
  } finally {
    await Promise.allSettled(queue);
  }
}

async function begin(entry: LayerEntry): Promise<ReadEntry> {
  if (entry.kind !== 'file') return { entry, content: [] };
  const content = entry.tree.read(entry.file);
  if (entry.file.size > SMALL) return { entry, content };
  const pieces: Uint8Array[] = [];
  for await (const piece of content) pieces.push(piece);
  return { entry, content: pieces };
}

function header(entry: LayerEntry, latest: number): Buffer {
  const isDevice = entry.kind === 'char' || entry.kind === 'block';
  return encodeEntry({
    path: entry.path,
    kind: entry.kind === 'document' ? 'file' : entry.kind,
    mode: entry.kind === 'symlink' ? 0o777 : entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    size: entry.kind === 'file' ? entry.file.size : entry.kind === 'document' ? entry.content.length : 0,
    mtime: Math.min(entry.mtime, latest),
    target: entry.kind === 'symlink' || entry.kind === 'hardlink' ? entry.target : '',
    major: isDevice ? entry.major : 0,
    minor: isDevice ? entry.minor : 0,
    xattrs: entry.xattrs,
  });
}
