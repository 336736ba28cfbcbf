import { type TarEntry, TarFormatError } from './tar-parser.ts';

const MAX_BYTES = 128 << 20;

/** Finds the folders that entries of a tar lie in and that have no entry of their own. Memory is bounded. */
export class ImpliedFolders {
  readonly #explicit = new Set<string>();
  readonly #implied = new Set<string>();
  #bytes = 0;

  /** Takes an entry. Throws TarFormatError when the names of all folders take more than 128 MiB. */
  add(entry: TarEntry): void {
    const parts: string[] = [];
    const all = entry.path.split('/').filter((part) => part !== '' && part !== '.');
    for (const [index, part] of all.entries()) {
      if (part === '..') {
        parts.pop();
        continue;
      }
      parts.push(part);
      if (index < all.length - 1) this.#note(this.#implied, parts.join('/'));
      else if (entry.kind === 'folder') this.#note(this.#explicit, parts.join('/'));
    }
  }

  /** Those that never had an entry, parents first; each character is one byte. */
  list(): readonly string[] {
    return [...this.#implied].filter((folder) => !this.#explicit.has(folder)).sort();
  }

  #note(folders: Set<string>, folder: string): void {
    if (folders.has(folder) || (folders === this.#implied && this.#explicit.has(folder))) return;
    folders.add(folder);
    this.#bytes += folder.length;
    if (this.#bytes > MAX_BYTES) throw new TarFormatError('the names of its folders take more than 128 MiB');
  }
}
