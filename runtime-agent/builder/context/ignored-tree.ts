import { PatternError } from '../../../lib/pattern/glob.ts';
import { Pace } from '../../../lib/sync/pace.ts';
import { EngineError } from '../../errors.ts';
import type { DigestNotes } from './digest-notes.ts';
import type { FileEntry, FileTree, TreeEntry } from './file-tree.ts';
import type { IgnoreRules } from './ignore-rules.ts';
import { joinPath, shownPath } from './tree-paths.ts';

/** A tree without the files that an ignore file excludes. */
export class IgnoredTree implements FileTree {
  readonly #inner: FileTree;
  readonly #rules: IgnoreRules;
  readonly #pace = new Pace();
  readonly #visible = new Map<string, Promise<boolean>>();

  constructor(inner: FileTree, rules: IgnoreRules) {
    this.#inner = inner;
    this.#rules = rules;
  }

  /** The client's files depend on the ignore file, so the notes are those of this view. */
  get notes(): DigestNotes | undefined {
    return this.#inner.notes;
  }

  async entry(path: string): Promise<TreeEntry | undefined> {
    const entry = await this.#inner.entry(path);
    return entry !== undefined && (await this.#isVisible(entry)) ? entry : undefined;
  }

  async children(path: string): Promise<readonly string[]> {
    const names = await this.#inner.children(path);
    const seen = await Promise.all(
      names.map(async (name) => ((await this.entry(joinPath(path, name))) === undefined ? [] : [name])),
    );
    return seen.flat();
  }

  read(file: FileEntry): AsyncIterable<Uint8Array> {
    return this.#inner.read(file);
  }

  async contentDigest(file: FileEntry, signal: AbortSignal): Promise<string> {
    return await this.#inner.contentDigest(file, signal);
  }

  async xattrs(path: string): Promise<ReadonlyMap<string, string>> {
    return await this.#inner.xattrs(path);
  }

  async release(): Promise<void> {
    await this.#inner.release();
  }

  #isVisible(entry: TreeEntry): Promise<boolean> {
    const { path } = entry;
    if (path === '') return Promise.resolve(true);
    let known = this.#visible.get(path);
    if (known === undefined) {
      known = this.#decide(entry);
      this.#visible.set(path, known);
    }
    return known;
  }

  async #decide(entry: TreeEntry): Promise<boolean> {
    if (!(await this.#excludes(entry.path))) return true;
    // An excluded folder is still visible if something in it is included again.
    if (entry.kind !== 'folder' || !this.#rules.hasExceptions) return false;
    for (const name of await this.#inner.children(entry.path)) {
      if ((await this.entry(joinPath(entry.path, name))) !== undefined) return true;
    }
    return false;
  }

  /** Throws EngineError 'bad-request' for a malformed pattern. */
  async #excludes(path: string): Promise<boolean> {
    try {
      return await this.#rules.excludes(shownPath(path), this.#pace);
    } catch (error) {
      if (!(error instanceof PatternError)) throw error;
      throw malformedIgnoreFile(error);
    }
  }
}

/** The failure of a build whose ignore file has a malformed pattern. */
export function malformedIgnoreFile(cause: PatternError): EngineError {
  return new EngineError('bad-request', `.dockerignore: ${cause.message}`, { cause });
}
