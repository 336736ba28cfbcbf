const BITS = 25;

/** A set of paths in 4 MiB that may take a path for another one: of a million, one in 300 (a Bloom filter). */
export class SeenPaths {
  readonly #bits = new Uint8Array(2 ** BITS / 8);

  add(path: string): void {
    for (const bit of positions(path))
      this.#bits[bit >>> 3] = (this.#bits[bit >>> 3] ?? 0) | (1 << (bit & 7));
  }

  /** False is certain. */
  mayHave(path: string): boolean {
    return positions(path).every((bit) => ((this.#bits[bit >>> 3] ?? 0) & (1 << (bit & 7))) !== 0);
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
