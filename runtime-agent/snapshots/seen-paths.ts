const BITS = 25;

/** Paths that are kept as they are; most layers have fewer. */
const FEW = 2000;

/** A set of paths in at most 4 MiB: when it has many, it may take a path for another one, of a million one in 300 (a Bloom filter). */
export class SeenPaths {
  #few: Set<string> | undefined = new Set();
  #bits = new Uint8Array(0);

  add(path: string): void {
    if (this.#few === undefined) this.#mark(path);
    else if (this.#few.size < FEW) this.#few.add(path);
    else {
      this.#bits = new Uint8Array(2 ** BITS / 8);
      for (const each of this.#few) this.#mark(each);
      this.#few = undefined;
      this.#mark(path);
    }
  }

  /** False is certain. */
  mayHave(path: string): boolean {
    if (this.#few !== undefined) return this.#few.has(path);
    return positions(path).every((bit) => ((this.#bits[bit >>> 3] ?? 0) & (1 << (bit & 7))) !== 0);
  }

  #mark(path: string): void {
    for (const bit of positions(path))
      this.#bits[bit >>> 3] = (this.#bits[bit >>> 3] ?? 0) | (1 << (bit & 7));
  }
}

/** Two halves of a 64-bit FNV-like hash. */
function positions(path: string): readonly number[] {
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  for (let index = 0; index < path.length; index++) {
    const byte = path.charCodeAt(index);
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul(b ^ byte, 0x5bd1e995);
    b ^= b >>> 13;
  }
  return [(a ^ (a >>> 16)) >>> (32 - BITS), (b ^ (b >>> 15)) >>> (32 - BITS)];
}
