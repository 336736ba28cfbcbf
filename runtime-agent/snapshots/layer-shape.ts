import { SeenPaths } from './seen-paths.ts';
import { type TarEntry, type TarEntryKind, TarFormatError, type TarHandler } from './tar-parser.ts';
import { OPAQUE_MARK, WHITEOUT_PREFIX } from './whiteout-names.ts';

const MAX_FOLDER_BYTES = 128 << 20;
const DOT = 0x2e;

/**
 * Looks at the entries of a layer for what mkfs.erofs does not do by itself, and refuses names that mean nothing. Memory
 * is bounded.
 */
export class LayerShape implements TarHandler {
  readonly #explicit = new Set<string>();
  readonly #implied = new Set<string>();
  readonly #seen = new SeenPaths();
  readonly #deleted = new SeenPaths();
  /** A folder that has been noted, as have those that it lies in, with a slash at its end; '' is the root. */
  #lastFolder = '';
  #folderBytes = 0;
  #contentSize = 0;
  #irregular = false;

  /**
   * Whether an index over the tar would show something else than the layer holds (image-spec, layer.md, "Whiteouts"). True
   * also where that is only likely.
   */
  get isIrregular(): boolean {
    return this.#irregular;
  }

  /** Bytes of the files and the targets of symlinks, which is what docker calls the size of a layer. */
  get contentSize(): number {
    return this.#contentSize;
  }

  /** Folders that entries lie in and that have no entry of their own, parents first; each character is one byte. */
  impliedFolders(): readonly string[] {
    return [...this.#implied].filter((folder) => !this.#explicit.has(folder)).sort();
  }

  /** Throws TarFormatError. */
  entry(entry: TarEntry): void {
    this.#contentSize += entry.kind === 'symlink' ? entry.target.length : entry.size;
    const { path } = entry;
    const inLastFolder = path.startsWith(this.#lastFolder) && isVisibleName(path, this.#lastFolder.length);
    // Most entries lie where the one before them does: nothing of such a path has to be looked at.
    if (inLastFolder) this.#noteEntry(path, entry.kind);
    else this.#enter(this.#walk(path), entry.kind);
  }

  data(): void {}

  #enter(names: readonly string[], kind: TarEntryKind): void {
    const name = names.at(-1);
    if (name === undefined) return;
    const folder = names.slice(0, -1);
    this.#lastFolder = folder.map((part) => `${part}/`).join('');
    if (name === OPAQUE_MARK) {
      if (names.length > 1) return;
      throw new TarFormatError('it hides all layers below it, which is not supported');
    }
    if (name.startsWith(WHITEOUT_PREFIX)) {
      this.#whiteOut(folder, name.slice(WHITEOUT_PREFIX.length));
      this.#seen.add(names.join('/'));
    } else this.#noteEntry(names.join('/'), kind);
  }

  #noteEntry(path: string, kind: TarEntryKind): void {
    if (kind === 'folder') this.#note(this.#explicit, path);
    // mkfs.erofs makes a file of it.
    else if (kind === 'old-folder') this.#irregular = true;
    else if (this.#implied.has(path)) this.#replaceFolder(path);
    this.#seen.add(path);
  }

  /** The names of a path below the root, `..` resolved; notes the folders on the way. */
  #walk(path: string): readonly string[] {
    const all = path.split('/').filter((part) => part !== '' && part !== '.');
    const names: string[] = [];
    for (const [index, part] of all.entries()) {
      if (part === '..') {
        names.pop();
        continue;
      }
      names.push(part);
      if (index === all.length - 1) break;
      if (part.startsWith(WHITEOUT_PREFIX)) {
        throw new TarFormatError(`an entry lies in ${JSON.stringify(part)}, a name that marks a deletion`);
      }
      this.#note(this.#implied, names.join('/'));
    }
    return names;
  }

  #whiteOut(folder: readonly string[], name: string): void {
    if (name === '' || name === '.' || name === '..') {
      throw new TarFormatError(`it deletes ${JSON.stringify(name)}, which is no name`);
    }
    // A whiteout is for the layers below, wherever it stands. mkfs.erofs lets it delete what came before it, and a folder
    // that comes after it show what it had below.
    const path = [...folder, name].join('/');
    if (this.#seen.mayHave(path)) this.#irregular = true;
    this.#deleted.add(path);
  }

  #replaceFolder(path: string): void {
    this.#irregular = true;
    this.#lastFolder = '';
    for (const folder of this.#implied) {
      if (folder === path || folder.startsWith(`${path}/`)) this.#implied.delete(folder);
    }
  }

  #note(folders: Set<string>, folder: string): void {
    if (folders.has(folder) || (folders === this.#implied && this.#explicit.has(folder))) return;
    folders.add(folder);
    this.#seen.add(folder);
    if (this.#deleted.mayHave(folder)) this.#irregular = true;
    this.#folderBytes += folder.length;
    if (this.#folderBytes > MAX_FOLDER_BYTES) {
      throw new TarFormatError('the names of its folders take more than 128 MiB');
    }
  }
}

/** Whether what begins at `start` is one name, and none that means something else. */
function isVisibleName(path: string, start: number): boolean {
  return path.length > start && path.charCodeAt(start) !== DOT && !path.includes('/', start);
}
