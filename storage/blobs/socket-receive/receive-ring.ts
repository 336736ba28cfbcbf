/** Bytes in one slot. Files are written in these pieces: for larger ones the kernel makes pages that cost more. */
const SLOT_SIZE = 128 * 1024;
const SLOTS = 32;

/** Indexes of the header's counters: slots filled and emptied so far, */
const FILLED = 0;
const EMPTIED = 1;
/** how often the filling thread has been woken, */
const WAKES = 2;
/** and the key and length of each slot. */
const KEYS = 3;
const LENGTHS = KEYS + SLOTS;
const HEADER = 4 * (LENGTHS + SLOTS);

/**
 * Content of any number of uploads in transit from the receive thread to the hash thread, in order, in shared memory of
 * fixed size. The counters may wrap.
 */
export class ReceiveRing {
  readonly memory: SharedArrayBuffer;
  readonly #header: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(HEADER + SLOTS * SLOT_SIZE)) {
    this.memory = memory;
    this.#header = new Int32Array(memory, 0, HEADER / 4);
    this.#bytes = new Uint8Array(memory, HEADER);
  }

  /** Number of slots filled so far. */
  get filled(): number {
    return Atomics.load(this.#header, FILLED);
  }

  /**
   * Returns the next free slot. When the ring is full it blocks the thread until half of it is empty: waking up is
   * expensive.
   */
  free(): Uint8Array {
    const { filled } = this;
    const used = () => (filled - Atomics.load(this.#header, EMPTIED)) | 0;
    if (used() < SLOTS) return this.#slot(filled);
    for (;;) {
      const woken = Atomics.load(this.#header, WAKES);
      if (used() <= SLOTS / 2) return this.#slot(filled);
      Atomics.wait(this.#header, WAKES, woken);
    }
  }

  /** Passes on the first `length` bytes of the slot that `free` has returned. */
  publish(key: number, length: number): void {
    const { filled } = this;
    const index = slotOf(filled);
    this.#header[KEYS + index] = key;
    this.#header[LENGTHS + index] = length;
    Atomics.store(this.#header, FILLED, (filled + 1) | 0);
  }

  /** Passes every filled slot up to number `end` to `take`, which has consumed it on return. */
  emptyUpTo(end: number, take: (key: number, bytes: Uint8Array) => void): void {
    for (;;) {
      const emptied = Atomics.load(this.#header, EMPTIED);
      if (((end - emptied) | 0) <= 0) return;
      const index = slotOf(emptied);
      const length = this.#header[LENGTHS + index] ?? 0;
      take(this.#header[KEYS + index] ?? 0, this.#slot(emptied).subarray(0, length));
      Atomics.store(this.#header, EMPTIED, (emptied + 1) | 0);
      const used = (Atomics.load(this.#header, FILLED) - emptied - 1) | 0;
      if (used !== SLOTS / 2) continue;
      Atomics.add(this.#header, WAKES, 1);
      Atomics.notify(this.#header, WAKES);
    }
  }

  #slot(count: number): Uint8Array {
    const start = slotOf(count) * SLOT_SIZE;
    return this.#bytes.subarray(start, start + SLOT_SIZE);
  }
}

function slotOf(count: number): number {
  return (count >>> 0) % SLOTS;
}
