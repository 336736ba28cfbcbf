/** The uncompressed tar of a layer, to be taken once, in one of two ways. */
export interface LayerContent extends AsyncIterable<Uint8Array> {
  /**
   * Has it written into the descriptor of an empty file by another program, so that its bytes do not pass through this one:
   * calls `grown` as it comes, and resolves when all of it is there. Throws as the iteration does, what writing to the file
   * fails with, and the signal's reason; whatever it throws, nobody writes to the file then. Absent where no program does that.
   */
  readonly writeInto?: (fd: number, grown: () => void, signal: AbortSignal) => Promise<void>;
}
