import { quoteName, TarFormatError } from '../../lib/tar/tar-header.ts';
import type { TarEntry, TarHandler } from '../../lib/tar/tar-parser.ts';
import { namesOf } from './entry-path.ts';
import { readMark, WHITEOUT_PREFIX } from './whiteout-names.ts';

/** Refuses invalid entries of a layer as it arrives, and counts its content. */
export class LayerShape implements TarHandler {
  #contentSize = 0;

  /** Bytes of the files and the targets of symlinks, which is what docker calls the size of a layer. */
  get contentSize(): number {
    return this.#contentSize;
  }

  /** Throws TarFormatError. */
  entry(entry: TarEntry): void {
    this.#contentSize += entry.kind === 'symlink' ? entry.target.length : entry.size;
    if (entry.path.includes(WHITEOUT_PREFIX)) refuseWrongMarks(entry);
  }

  data(): void {}
}

/** Refuses a whiteout with a body, whose bytes other readers take for entries. Throws TarFormatError. */
function refuseWrongMarks({ path, size }: TarEntry): void {
  const names = namesOf(path);
  const folders = names.slice(0, -1);
  const marking = folders.find((folder) => folder.startsWith(WHITEOUT_PREFIX));
  if (marking !== undefined) {
    throw new TarFormatError(`an entry lies in ${quoteName(marking)}, a name that marks a deletion`);
  }
  const mark = readMark(names.at(-1) ?? '');
  if (mark === undefined) return;
  if (size > 0) throw new TarFormatError(`${quoteName(path)} marks a deletion and has a body`);
  if (mark.kind === 'opaque' && folders.length === 0) {
    throw new TarFormatError('it hides all layers below it, which is not supported');
  }
}
