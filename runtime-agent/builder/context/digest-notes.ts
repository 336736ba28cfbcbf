interface Note {
  readonly digest: string;
  /** Paths that contain all inputs of the digest; undefined means any path. */
  readonly within: readonly string[] | undefined;
}

/** Digests of parts of a tree, by query: an unchanged tree need not be read again. */
export class DigestNotes {
  readonly #notes = new Map<string, Note>();

  find(question: string): string | undefined {
    return this.#notes.get(question)?.digest;
  }

  note(question: string, note: Note): void {
    this.#notes.set(question, note);
  }

  /** Returns the notes that remain valid when the paths `changed` differ, are new or were removed. */
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

/** Reports whether one path equals or contains the other. */
function touches(a: string, b: string): boolean {
  return a === '' || b === '' || a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
}
