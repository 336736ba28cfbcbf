import { createHash, type Hash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { Pace } from '../../lib/sync/pace.ts';
import { TarFormatError } from '../../lib/tar/tar-header.ts';
import { type TarEntry, TarParser } from '../../lib/tar/tar-parser.ts';
import { MOST_ENTRIES, within } from './bounded.ts';
import type { FileChange, FileChangesView, FileView } from './browse.ts';

/** Limits of both images together, so that one comparison keeps the registry busy for seconds at most. */
export interface FileLimits {
  /** Maximum bytes of layers, uncompressed. */
  readonly bytes: number;
  readonly entries: number;
  /** Maximum bytes of all paths, which are kept in memory. */
  readonly pathBytes: number;
}

export const FILE_LIMITS: FileLimits = {
  bytes: 1024 * 1024 * 1024,
  entries: 100_000,
  pathBytes: 16 * 1024 * 1024,
};
/** Maximum names in one path: every folder of a path is looked up. */
const MOST_NAMES = 100;
const CHUNK = 128 * 1024;
const STEPS_PER_CHUNK = 2000;
const GZIP = [0x1f, 0x8b];
const ZSTD = [0x28, 0xb5, 0x2f, 0xfd];
const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

/** The files of layers cannot be compared; the message says why. */
export class FilesUnreadError extends Error {
  override readonly name = 'FilesUnreadError';
}

/** The effect of layers on paths: a file, link, folder or device, or undefined if they remove it. */
type Files = Map<string, FoundFile | undefined>;

interface FoundFile extends FileView {
  readonly uid: number;
  readonly gid: number;
  /** SHA-256 of its content, or the target of a link. */
  readonly content: string;
}

/** Returns the stored bytes of a layer; throws FilesUnreadError. */
export type OpenLayer = () => Promise<AsyncIterable<Uint8Array>>;

/** Reads the effect of layers on files; both images of a comparison share its limits. */
export class LayerFiles {
  readonly #limits: FileLimits;
  readonly #signal: AbortSignal;
  readonly #pace = new Pace();
  #bytes = 0;
  #entries = 0;
  #pathBytes = 0;

  constructor(limits: FileLimits, signal: AbortSignal) {
    this.#limits = limits;
    this.#signal = signal;
  }

  /** Returns the combined effect of some layers, lowest first. Throws FilesUnreadError, and the signal's reason. */
  async read(layers: readonly OpenLayer[]): Promise<Files> {
    const files: Files = new Map();
    /** Paths below which lower layers are hidden. */
    const covered = new Set<string>();
    for (const open of layers.toReversed()) {
      const layer = await this.#readLayer(open);
      for (const [path, file] of layer.files) {
        await this.#pace.after(20);
        if (!files.has(path) && !isCovered(path, covered)) files.set(path, file);
      }
      for (const [path, file] of layer.files) if (file?.kind !== 'folder') covered.add(path);
      for (const path of layer.opaque) covered.add(path);
    }
    return files;
  }

  async #readLayer(open: OpenLayer): Promise<{ readonly files: Files; readonly opaque: readonly string[] }> {
    const files: Files = new Map();
    const opaque: string[] = [];
    let hash: Hash | undefined;
    let current: { readonly path: string; readonly entry: TarEntry } | undefined;
    const end = () => {
      if (current === undefined) return;
      const { entry, path } = current;
      const content = hash?.digest('base64') ?? entry.target;
      const { gid, mode, size, uid } = entry;
      const kind = entry.kind === 'old-folder' ? 'folder' : entry.kind;
      files.set(path, { kind, mode, size, uid, gid, content });
      current = undefined;
      hash = undefined;
    };
    const parser = new TarParser({
      entry: (entry) => {
        end();
        const path = this.#pathOf(entry);
        const slash = path.lastIndexOf('/') + 1;
        const name = path.slice(slash);
        if (name === OPAQUE) opaque.push(path.slice(0, Math.max(0, slash - 1)));
        else if (name.startsWith(WHITEOUT))
          files.set(path.slice(0, slash) + name.slice(WHITEOUT.length), undefined);
        else if (path !== '') {
          current = { path, entry };
          if (entry.kind === 'file') hash = createHash('sha256');
        }
      },
      data: (chunk) => hash?.update(chunk),
    });
    try {
      for await (const chunk of uncompressed(await open(), this.#signal)) {
        this.#bytes += chunk.length;
        if (this.#bytes > this.#limits.bytes) {
          throw new FilesUnreadError(`the layers that differ have more than ${this.#limits.bytes} bytes`);
        }
        parser.push(chunk);
        await this.#pace.after(STEPS_PER_CHUNK);
        this.#signal.throwIfAborted();
        if (parser.hasEnded) break;
      }
      parser.finish();
    } catch (error) {
      this.#signal.throwIfAborted();
      if (error instanceof TarFormatError)
        throw new FilesUnreadError(`a layer is not a tar: ${error.message}`);
      throw error;
    }
    end();
    return { files, opaque };
  }

  /** Returns a path as UTF-8, without slashes at either end. */
  #pathOf({ path }: TarEntry): string {
    this.#entries += 1;
    this.#pathBytes += path.length;
    if (this.#entries > this.#limits.entries) {
      throw new FilesUnreadError(`the layers that differ have more than ${this.#limits.entries} files`);
    }
    if (this.#pathBytes > this.#limits.pathBytes) {
      throw new FilesUnreadError('the layers that differ have too many long paths');
    }
    const names = Buffer.from(path, 'latin1')
      .toString('utf8')
      .split('/')
      .filter((name) => name !== '' && name !== '.');
    if (names.length <= MOST_NAMES) return names.join('/');
    throw new FilesUnreadError(`a layer has a path of more than ${MOST_NAMES} names`);
  }
}

function isCovered(path: string, covered: ReadonlySet<string>): boolean {
  if (covered.size === 0) return false;
  if (covered.has('')) return true;
  for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
    if (covered.has(path.slice(0, slash))) return true;
  }
  return false;
}

/**
 * Yields the bytes of a layer without gzip or zstd, which its first bytes reveal. Throws FilesUnreadError for damaged
 * content.
 */
async function* uncompressed(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  let head: Uint8Array = Buffer.alloc(0);
  while (head.length < ZSTD.length) {
    const { done, value } = await iterator.next();
    if (done) break;
    head = Buffer.concat([head, value]);
  }
  const content = inPieces(head, iterator);
  const begins = (magic: readonly number[]) => magic.every((byte, index) => head[index] === byte);
  if (!begins(GZIP) && !begins(ZSTD)) {
    yield* content;
    return;
  }
  const filter = begins(GZIP)
    ? createGunzip({ chunkSize: CHUNK })
    : createZstdDecompress({ chunkSize: CHUNK });
  const fed = pipeline(Readable.from(content, { objectMode: false }), filter, { signal });
  // The reader of the output gets the failure.
  fed.catch(() => undefined);
  try {
    for await (const chunk of filter) yield chunk as Buffer;
    await fed;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && /^Z_|^ZSTD_/.test(String(error.code)))) throw error;
    throw new FilesUnreadError(`a layer is damaged: ${error.message}`);
  } finally {
    filter.destroy();
  }
}

/** Yields pieces that fit into one turn of the event loop. */
async function* inPieces(head: Uint8Array, iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    let piece = head;
    for (;;) {
      for (let at = 0; at < piece.length; at += CHUNK) yield piece.subarray(at, at + CHUNK);
      const next = await iterator.next();
      if (next.done) return;
      piece = next.value;
    }
  } finally {
    await iterator.return?.();
  }
}

/** Returns the differences between the files of two images, by the effects of the layers that they do not share. */
export function fileChanges(
  from: Files,
  to: Files,
): Pick<FileChangesView, 'added' | 'removed' | 'changed' | 'changes'> {
  const all: FileChange[] = [];
  for (const path of new Set([...from.keys(), ...to.keys()])) {
    const change = changeOf(path, from, to);
    if (change !== undefined) all.push(change);
  }
  const count = (kind: FileChange['change']) => all.filter(({ change }) => change === kind).length;
  const sorted = all.sort((one, other) => (one.path < other.path ? -1 : 1)).slice(0, MOST_ENTRIES);
  return {
    added: count('added'),
    removed: count('removed'),
    changed: count('changed'),
    changes: within(sorted, ({ path }) => path.length),
  };
}

/**
 * Returns undefined if nothing differs. A folder alone is no difference: layers contain those of the files that they
 * change.
 */
function changeOf(path: string, from: Files, to: Files): FileChange | undefined {
  const [before, after] = [from.get(path), to.get(path)];
  if (before === undefined && after === undefined) {
    return to.has(path) === from.has(path) ? undefined : { path, change: to.has(path) ? 'removed' : 'added' };
  }
  if (before === undefined) {
    return after?.kind === 'folder'
      ? undefined
      : { path, change: 'added', ...(after && { after: viewOf(after) }) };
  }
  if (after === undefined) {
    return before.kind === 'folder' ? undefined : { path, change: 'removed', before: viewOf(before) };
  }
  const isSame = FIELDS.every((name) => before[name] === after[name]);
  return isSame ? undefined : { path, change: 'changed', before: viewOf(before), after: viewOf(after) };
}

const FIELDS = ['kind', 'mode', 'uid', 'gid', 'size', 'content'] as const;

function viewOf({ kind, mode, size }: FoundFile): FileView {
  return { kind, mode, size };
}
