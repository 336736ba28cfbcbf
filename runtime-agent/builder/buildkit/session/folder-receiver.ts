import { linkSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join, posix } from 'node:path';
import { EngineError } from '../../../errors.ts';
import { type ArchiveLimits, MAX_METADATA, tooMuchMetadata } from '../../context/receive-archive.ts';
import type { FileReceiver } from './diff-copy.ts';
import { type IndexedFile, indexedFile, sameFile } from './file-index.ts';
import { fileKind } from './file-mode.ts';
import type { FolderState } from './folder-state.ts';
import { Listing } from './listing.ts';
import type { FileStat } from './packet.ts';
import { ReceivedFile } from './received-file.ts';

/** Maximum files whose content arrives concurrently: clients send four. Each needs a descriptor and memory. */
const MOST_AT_ONCE = 64;

/**
 * Updates a folder of this host, whose content is exactly `before`, to a client's folder: only changed files are
 * requested and written. Paths come from the client: each must be in a folder that it has listed before, so none
 * escapes.
 *
 * The file system is called in the agent's thread, a file at a time: each call is shorter than a turn of the thread
 * pool.
 */
export class FolderReceiver implements FileReceiver {
  readonly #root: string;
  readonly #before: FolderState;
  readonly #limits: ArchiveLimits;
  readonly #onChange: () => void;
  readonly #now = new Map<string, IndexedFile>();
  readonly #folders = new Set<string>(['.']);
  readonly #links = new Map<string, string>();
  readonly #changed = new Set<string>();
  /** The client's messages, in order. */
  readonly #messages: Buffer[] = [];
  /** Expected position of the next file in the earlier listing. */
  #next = 0;
  /** Whether the listing so far equals the old one, in the same order; then no file has been examined yet. */
  #inStep = true;
  #size = 0;
  /** Bytes of content received. */
  #received = 0;
  /** Bytes of all file metadata. */
  #told = 0;
  /** Number of files whose content has begun to arrive. */
  #begun = 0;
  readonly #open = new Map<number, { readonly path: string; readonly file: ReceivedFile }>();

  /** `onChange` is called once, before the first change. */
  constructor(root: string, before: FolderState, limits: ArchiveLimits, onChange: () => void) {
    this.#root = root;
    this.#before = before;
    this.#limits = limits;
    this.#onChange = onChange;
  }

  repeats(message: Buffer): boolean {
    if (this.#before.listing?.repeats(this.#next, message) !== true) return false;
    if (!this.#inStep) this.#takeAgain(this.#next);
    this.#next++;
    return true;
  }

  stat(stat: FileStat, id: number, message: Buffer): boolean {
    this.#leaveStep();
    const path = this.#newPath(stat.path);
    const entry = indexedFile(stat);
    if (entry.size < 0) {
      throw new EngineError('bad-request', `the client sent ${path} with the size ${entry.size}`);
    }
    const kind = fileKind(stat.mode);
    this.#messages.push(message);
    this.#told += message.length;
    this.#take(path, entry);
    this.#checkLimits();
    const known = this.#before.files.get(path);
    if (known !== undefined && this.#before.listing !== undefined) this.#next = this.#positionOf(path) + 1;
    if (known !== undefined && sameFile(known, entry)) {
      this.#now.set(path, known);
      return false;
    }
    this.#change(path);
    const stays = kind === 'directory' && known !== undefined && fileKind(known.mode) === 'directory';
    if (known !== undefined && !stays) rmSync(this.#at(path), { recursive: true, force: true });
    if (kind === 'directory' && !stays) mkdirSync(this.#at(path));
    if (kind === 'symlink') symlinkSync(stat.linkname, this.#at(path));
    // Sockets, pipes and devices are skipped: images do not include them.
    if (kind !== 'file' || stat.linkname !== '') return false;
    this.#open.set(id, { path, file: new ReceivedFile(this.#at(path)) });
    return true;
  }

  data(id: number, bytes: Uint8Array): void {
    const { file } = this.#openFile(id);
    this.#received += bytes.length;
    if (!file.isBegun) this.#begun += 1;
    if (this.#received > this.#limits.size || this.#begun > MOST_AT_ONCE) {
      throw new EngineError(
        'bad-request',
        this.#begun > MOST_AT_ONCE
          ? `the client sends more than ${MOST_AT_ONCE} files side by side`
          : `the context is larger than ${this.#limits.size} bytes: exclude files by .dockerignore`,
      );
    }
    file.write(bytes);
  }

  end(id: number): void {
    const { path, file } = this.#openFile(id);
    const entry = this.#now.get(path);
    if (file.isBegun) this.#begun -= 1;
    const digest = file.end();
    if (entry !== undefined) this.#now.set(path, { ...entry, digest });
    this.#open.delete(id);
  }

  /**
   * Called at the end: removes files that the client no longer has, sets links, and returns the new state, the same
   * object if nothing has changed.
   */
  finish(): FolderState {
    if (this.#inStep && this.#next === this.#before.listing?.length) return this.#before;
    this.#leaveStep();
    for (const path of this.#before.files.keys()) {
      if (this.#now.has(path) || !this.#folders.has(posix.dirname(path))) continue;
      this.#change(path);
      rmSync(this.#at(path), { recursive: true, force: true });
    }
    for (const [path, target] of this.#links) {
      if (!this.#changed.has(path) && !this.#changed.has(target)) continue;
      this.#change(path);
      rmSync(this.#at(path), { recursive: true, force: true });
      linkSync(this.#at(target), this.#at(path));
    }
    return this.#before.after(this.#changed, this.#now, Listing.of(this.#messages));
  }

  /** Closes files whose end will not arrive. */
  abandon(): void {
    for (const { file } of this.#open.values()) file.close();
  }

  /** Processes the skipped messages, because something has changed. */
  #leaveStep(): void {
    if (!this.#inStep) return;
    this.#inStep = false;
    for (let index = 0; index < this.#next; index++) this.#takeAgain(index);
  }

  #takeAgain(index: number): void {
    const path = this.#before.paths[index] ?? '';
    const file = this.#before.files.get(path);
    const message = this.#before.listing?.message(index);
    if (file === undefined || message === undefined)
      throw new TypeError('a listing has a message for each file');
    this.#messages.push(message);
    this.#take(this.#newPath(path), file);
  }

  /** Returns the earlier position of a file; nearly always the expected one, or a little later. */
  #positionOf(path: string): number {
    const { paths } = this.#before;
    const later = paths.indexOf(path, this.#next);
    return later >= 0 ? later : paths.indexOf(path);
  }

  #take(path: string, file: IndexedFile): void {
    const kind = fileKind(file.mode);
    this.#now.set(path, file);
    this.#size += file.size;
    if (kind === 'directory') this.#folders.add(path);
    if (kind === 'file' && file.link !== '') this.#links.set(path, this.#knownFile(file.link));
  }

  #checkLimits(): void {
    const { size, entries } = this.#limits;
    if (this.#told > MAX_METADATA) throw tooMuchMetadata();
    if (this.#size <= size && this.#now.size <= entries) return;
    const what = this.#size > size ? `is larger than ${size} bytes` : `has more than ${entries} files`;
    throw new EngineError('bad-request', `the context ${what}: exclude files by .dockerignore`);
  }

  #newPath(path: string): string {
    const plain = path !== '' && path !== '.' && !/\0|\/$/.test(path) && posix.normalize(path) === path;
    const isOutside = path === '..' || path.startsWith('../') || path.startsWith('/');
    if (!plain || isOutside || this.#now.has(path)) {
      throw new EngineError('bad-request', `the client sent a file with the path "${path}", which is none`);
    }
    if (!this.#folders.has(posix.dirname(path))) {
      throw new EngineError('bad-request', `the client sent ${path} without the folder that it lies in`);
    }
    return path;
  }

  #knownFile(path: string): string {
    const known = this.#now.get(path);
    if (known === undefined || fileKind(known.mode) !== 'file' || known.link !== '') {
      throw new EngineError(
        'bad-request',
        `the client sent a further name of ${path}, which it had not sent`,
      );
    }
    return path;
  }

  #openFile(id: number) {
    const file = this.#open.get(id);
    if (file === undefined) {
      throw new EngineError('bad-request', 'the client sent a file that was not asked for');
    }
    return file;
  }

  #change(path: string): void {
    if (this.#changed.size === 0) this.#onChange();
    this.#changed.add(path);
  }

  #at(path: string): string {
    return join(this.#root, path);
  }
}
