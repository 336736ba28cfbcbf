/** The holder of a buffer, which fills it. */
export interface BufferHolder {
  /** Requests the buffer back soon: its holder can store the content elsewhere meanwhile. May do nothing. */
  spill(): void;
}

/** Milliseconds for which a holder may fill a buffer while others wait for one. */
const HOLD_TIME = 5_000;

/**
 * The buffers of all parts that are filled or sent: at most `limit` of `size` bytes. When none is free, callers wait in
 * turn; buffers that fill slowly are requested back, so that slow clients block nobody.
 */
export class PartMemory {
  readonly size: number;
  readonly #limit: number;
  readonly #free: Buffer[] = [];
  readonly #waiting: ((buffer: Buffer) => void)[] = [];
  readonly #filling = new Map<BufferHolder, number>();
  #inUse = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(size: number, limit: number) {
    this.size = size;
    this.#limit = limit;
  }

  /** Returns a buffer to fill, which must be returned with `release`. */
  async acquire(signal?: AbortSignal): Promise<Buffer> {
    signal?.throwIfAborted();
    return this.#take() ?? (await this.#wait(signal));
  }

  /** Allows to ask the holder to spill, once, until it calls `filled`. */
  filling(holder: BufferHolder): void {
    this.#filling.set(holder, performance.now());
  }

  /** Records that the holder's buffer cannot be spilled now. */
  filled(holder: BufferHolder): void {
    this.#filling.delete(holder);
  }

  /** Returns a buffer. */
  release(buffer: Buffer): void {
    const next = this.#waiting.shift();
    if (next !== undefined) {
      next(buffer);
      return;
    }
    this.#inUse -= 1;
    if (this.#inUse === 0) this.#free.length = 0;
    else this.#free.push(buffer);
  }

  #take(): Buffer | undefined {
    if (this.#inUse >= this.#limit) return undefined;
    this.#inUse += 1;
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.size);
  }

  async #wait(signal: AbortSignal | undefined): Promise<Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const leave = () => {
      const index = this.#waiting.indexOf(resolve);
      if (index >= 0) this.#waiting.splice(index, 1);
      reject(signal?.reason);
    };
    this.#waiting.push(resolve);
    signal?.addEventListener('abort', leave, { once: true });
    this.#timer ??= setInterval(() => this.#askBack(), HOLD_TIME / 4).unref();
    try {
      return await promise;
    } finally {
      signal?.removeEventListener('abort', leave);
      if (this.#waiting.length === 0) {
        clearInterval(this.#timer);
        this.#timer = undefined;
      }
    }
  }

  #askBack(): void {
    const before = performance.now() - HOLD_TIME;
    let wanted = this.#waiting.length;
    for (const [holder, since] of this.#filling) {
      if (wanted === 0 || since > before) return;
      this.#filling.delete(holder);
      holder.spill();
      wanted -= 1;
    }
  }
}
