import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { posix } from 'node:path';
import { TarFormatError } from '../../../lib/tar/tar-header.ts';
import { type TarEntry, TarParser } from '../../../lib/tar/tar-parser.ts';
import { EngineError } from '../../errors.ts';
import type { ArchiveNode } from './archive-tree.ts';
import type { TreeEntry } from './file-tree.ts';
import { SpoolWriter } from './spool.ts';
import { parentOf, shownPath } from './tree-paths.ts';

/** Limits of a client's archive. */
export interface ArchiveLimits {
  /** Maximum bytes of all files together, uncompressed. */
  readonly size: number;
  readonly entries: number;
}

/** Maximum bytes of the names, link targets and attributes of a context, which are held in memory. */
export const MAX_METADATA = 512 << 20;

export function tooMuchMetadata(): EngineError {
  return new EngineError(
    'bad-request',
    `the names and attributes of the context are larger than ${MAX_METADATA} bytes: exclude files by .dockerignore`,
  );
}

const FOLDER = { mode: 0o755, uid: 0, gid: 0, mtime: 0 } as const;
const NOTHING: ReadonlyMap<string, string> = new Map();

/**
 * Receives a tar: contents are appended to `spool` and hashed, names are kept in memory. No file of the host gets a
 * name from the archive, so none can escape. Throws EngineError 'bad-request' for an invalid tar, or beyond the limits.
 */
export async function receiveArchive(
  tar: AsyncIterable<Uint8Array>,
  spool: FileHandle,
  limits: ArchiveLimits,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ArchiveNode>> {
  const output = new SpoolWriter(spool);
  const receiver = new Receiver(limits, output);
  const parser = new TarParser(receiver);
  try {
    for await (const chunk of tar) {
      signal.throwIfAborted();
      await output.reserve(chunk.length);
      parser.push(chunk);
    }
    await output.finish();
    // The archive that docker's client sends for `-f -` lacks the padding.
    parser.push(Buffer.alloc(parser.pendingPadding));
    parser.finish();
    return receiver.finish();
  } catch (error) {
    await output.finish().catch(() => undefined);
    signal.throwIfAborted();
    if (!(error instanceof TarFormatError)) throw error;
    throw new EngineError('bad-request', `the archive is not a valid tar: ${error.message}`, {
      cause: error,
    });
  }
}

class Receiver {
  readonly #limits: ArchiveLimits;
  readonly #nodes = new Map<string, ArchiveNode>([['', folderNode('')]]);
  readonly #output: SpoolWriter;
  #offset = 0;
  /** Bytes of names, targets and attributes received. */
  #metadata = 0;
  #hash: Hash | undefined;
  #current:
    | { readonly entry: TreeEntry; readonly offset: number; readonly xattrs: ArchiveNode['xattrs'] }
    | undefined;

  constructor(limits: ArchiveLimits, output: SpoolWriter) {
    this.#limits = limits;
    this.#output = output;
  }

  entry(entry: TarEntry): void {
    this.#endFile();
    const path = cleanPath(entry.path);
    if (path === '') {
      if (entry.kind === 'folder')
        this.#nodes.set('', { ...folderNode(''), entry: { ...folderNode('').entry, mode: entry.mode } });
      return;
    }
    if (this.#nodes.size >= this.#limits.entries) {
      throw new EngineError(
        'bad-request',
        `the context has more than ${this.#limits.entries} files: exclude some by .dockerignore`,
      );
    }
    this.#metadata += metadataSize(entry);
    if (this.#metadata > MAX_METADATA) throw tooMuchMetadata();
    this.#makeParents(path);
    const common = { path, mode: entry.mode, uid: entry.uid, gid: entry.gid, mtime: Math.floor(entry.mtime) };
    const { xattrs } = entry;
    switch (entry.kind) {
      case 'hardlink': {
        const target = this.#nodes.get(cleanPath(entry.target));
        if (target === undefined || target.entry.kind === 'folder') {
          throw refusal(`the hard link ${quote(path)} names a file that is not before it`);
        }
        if (target.entry.kind !== 'file') {
          this.#put(path, { ...target, entry: { ...target.entry, path } });
          return;
        }
        const inode = target.entry.inode ?? target.entry.path;
        this.#put(target.entry.path, { ...target, entry: { ...target.entry, inode } });
        this.#put(path, { ...target, entry: { ...target.entry, path, inode } });
        return;
      }
      case 'file':
        if (this.#offset + entry.size > this.#limits.size) {
          throw refusal(
            `the context is larger than ${this.#limits.size} bytes: exclude files by .dockerignore, or raise the agent's limit`,
          );
        }
        this.#current = {
          entry: { ...common, kind: 'file', size: entry.size },
          offset: this.#offset,
          xattrs,
        };
        this.#hash = createHash('sha256');
        return;
      case 'folder':
      case 'old-folder':
        this.#put(path, { entry: { ...common, kind: 'folder' }, xattrs });
        return;
      case 'symlink':
        this.#put(path, { entry: { ...common, kind: 'symlink', target: entry.target }, xattrs });
        return;
      case 'fifo':
        this.#put(path, { entry: { ...common, kind: 'fifo' }, xattrs });
        return;
      default:
        this.#put(path, {
          entry: { ...common, kind: entry.kind, major: entry.major, minor: entry.minor },
          xattrs,
        });
    }
  }

  data(chunk: Uint8Array): void {
    this.#hash?.update(chunk);
    this.#output.add(chunk);
    this.#offset += chunk.length;
  }

  finish(): ReadonlyMap<string, ArchiveNode> {
    this.#endFile();
    return this.#nodes;
  }

  #endFile(): void {
    const { entry, offset, xattrs } = this.#current ?? {};
    if (entry === undefined || offset === undefined || this.#hash === undefined) return;
    const digest = this.#hash.digest('hex');
    this.#current = undefined;
    this.#hash = undefined;
    this.#put(entry.path, { entry, content: { offset, digest }, xattrs: xattrs ?? NOTHING });
  }

  /** A later entry of the same name wins, as in tar; a folder keeps its content. */
  #put(path: string, node: ArchiveNode): void {
    const known = this.#nodes.get(path);
    if (known?.entry.kind === 'folder' && node.entry.kind !== 'folder') {
      throw refusal(`${quote(path)} is both a folder and a file`);
    }
    this.#nodes.set(path, node);
  }

  #makeParents(path: string): void {
    for (let folder = parentOf(path); folder !== ''; folder = parentOf(folder)) {
      const node = this.#nodes.get(folder);
      if (node?.entry.kind === 'folder') return;
      if (node !== undefined)
        throw refusal(`${quote(path)} lies below ${quote(folder)}, which is not a folder`);
      this.#nodes.set(folder, folderNode(folder));
    }
  }
}

function metadataSize(entry: TarEntry): number {
  let size = entry.path.length + ('target' in entry ? entry.target.length : 0);
  for (const [name, value] of entry.xattrs) size += name.length + value.length;
  return size;
}

function folderNode(path: string): ArchiveNode {
  return { entry: { path, kind: 'folder', ...FOLDER }, xattrs: NOTHING };
}

/** Cleans a path as dockerd does when it unpacks a context: `..` ends at its root, so that `../a` is `a`. */
function cleanPath(path: string): string {
  return posix.normalize(`/${path}`).replace(/^\//, '').replace(/\/$/, '');
}

function refusal(message: string): EngineError {
  return new EngineError('bad-request', message);
}

function quote(path: string): string {
  return JSON.stringify(shownPath(path).slice(0, 200));
}
