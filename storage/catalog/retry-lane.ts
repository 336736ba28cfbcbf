export interface Place {
  leave(): void;
}

/**
 * Where transactions that gave way to others are tried again, one at a time and in order: those that all want the
 * same rows would go on giving way to each other.
 */
export class RetryLane {
  #last: Promise<void> = Promise.resolve();

  /** Resolves when everybody before has left. */
  async take(): Promise<Place> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = this.#last;
    this.#last = promise;
    await before;
    return { leave: resolve };
  }
}
