/** A number of sockets that many users share. */
export class SocketBudget {
  readonly maximum: number;
  #taken = 0;

  constructor(maximum: number) {
    this.maximum = maximum;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Takes `count` sockets and returns true, or takes none and returns false. */
  take(count: number): boolean {
    if (this.#taken + count > this.maximum) return false;
    this.#taken += count;
    return true;
  }

  give(count: number): void {
    this.#taken -= count;
  }
}
