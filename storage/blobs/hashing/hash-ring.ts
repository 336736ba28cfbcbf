/** Bytes per slot: half of what Node reads from a socket at once. */
const SLOT_SIZE = 32 * 1024;
const SLOTS = 8;
const HEADER = 64;

/** Indexes of the header's counters: slots filled and emptied so far; */
const FILLED = 0;
const EMPTIED = 1;
/** whether the filling thread waits, and how often it has been woken; */
const WAITS = 2;
const WAKES = 3;
/** and the lengths of the slots. */
const LENGTHS = 4;

/**
 * Bytes in transit from one thread to another, in order, in shared memory of fixed size. One thread fills and one
 * empties; neither locks. The counters may wrap.
 */
export class HashRing {
  readonly memory: SharedArrayBuffer;
  readonly #header: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(HEADER + SLOTS * SLOT_SIZE)) {
    this.memory = memory;
    this.#header = new Int32Array(memory, 0, HEADER / 4);
    this.#bytes = new Uint8Array(memory, HEADER);
  }

  /** Copies `chunk` from `offset` on into free slots; returns the next offset. */
  fill(chunk: Uint8Array, offset: number): number {
    let position = offset;
    while (position < chunk.byteLength) {
      if (this.#used() >= SLOTS) break;
      const filled = Atomics.load(this.#header, FILLED);
      const part = chunk.subarray(position, position + SLOT_SIZE);
      const slot = slotOf(filled);
      this.#bytes.set(part, slot * SLOT_SIZE);
      this.#header[LENGTHS + slot] = part.byteLength;
      Atomics.store(this.#header, FILLED, (filled + 1) | 0);
      position += part.byteLength;
    }
    return position;
  }

  /** Resolves when there is room; if there was none, not before half of the ring is empty: waking up is expensive. */
  async room(): Promise<void> {
    const woken = Atomics.load(this.#header, WAKES);
    Atomics.store(this.#header, WAITS, 1);
    // The consumer checks WAITS after each slot, so one of the two sees the other's change.
    if (this.#used() < SLOTS) return;
    await Atomics.waitAsync(this.#header, WAKES, woken).value;
  }

  /** Passes every filled slot to `take`, which has consumed it on return. */
  empty(take: (bytes: Uint8Array) => void): void {
    for (;;) {
      const emptied = Atomics.load(this.#header, EMPTIED);
      if (emptied === Atomics.load(this.#header, FILLED)) return;
      const slot = slotOf(emptied);
      const start = slot * SLOT_SIZE;
      take(this.#bytes.subarray(start, start + (this.#header[LENGTHS + slot] ?? 0)));
      Atomics.store(this.#header, EMPTIED, (emptied + 1) | 0);
      if (this.#used() <= SLOTS / 2 && Atomics.exchange(this.#header, WAITS, 0) === 1) {
        Atomics.add(this.#header, WAKES, 1);
        Atomics.notify(this.#header, WAKES);
      }
    }
  }

  #used(): number {
    return (Atomics.load(this.#header, FILLED) - Atomics.load(this.#header, EMPTIED)) | 0;
  }
}

function slotOf(count: number): number {
  return (count >>> 0) % SLOTS;
}
