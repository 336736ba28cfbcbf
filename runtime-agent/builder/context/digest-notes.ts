interface Note {
  readonly digest: string;
  /** The paths below which all lies that it is made of; undefined is anywhere. */
  readonly within: readonly string[] | undefined;
}

/** Digests of parts of a tree, by what was asked: a tree that comes again needs not be read again. */
export class DigestNotes {
  readonly #notes = new Map<string, Note>();

  find(question: string): string | undefined {
    return this.#notes.get(question)?.digest;
  }

  note(question: string, note: Note): void {
    this.#notes.set(question, note);
  }

  /** Those that hold when the paths `changed` differ, are new or are gone. */
  after(changed: Iterable<string>): DigestNotes {
    const left = new DigestNotes();
    const paths = [...changed];
    for (const [question, note] of this.#notes) {
      if (note.within?.some((place) => paths.some((path) => touches(path, place))) === false) {
        left.note(question, note);
      }
    }
    return left;
  }
}

/** Whether one of them is the other, or lies in it. */
function touches(a: string, b: string): boolean {
  return a === '' || b === '' || a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
}
