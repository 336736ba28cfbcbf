import type { IncomingMessage, ServerResponse } from 'node:http';
import { RegistryError } from './errors.ts';
import { requestBody, wholeBody } from './http/request-body.ts';

/** A body in progress. */
interface Reading {
  /** Bytes in memory for it. */
  size: number;
  readonly cut: AbortController;
}

/**
 * Limits the memory of all bodies that are read whole. When a new body does not fit, the one that has waited longest
 * for its client is dropped: clients that stall their bodies do not block others.
 */
export class BodyMemory {
  readonly #budget: number;
  /** Longest without progress first. */
  readonly #readings = new Set<Reading>();
  #held = 0;

  /** `budget` is in bytes, and more than the largest body. */
  constructor(budget: number) {
    this.#budget = budget;
  }

  /** Bytes currently in memory. */
  get held(): number {
    return this.#held;
  }

  /**
   * Reads a request's body; returns undefined when it has more than `limit` bytes. Throws RegistryError TOO_MANY_BODIES
   * when it is dropped, and when the client hangs up.
   */
  async read(req: IncomingMessage, res: ServerResponse, limit: number): Promise<Buffer | undefined> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    return this.#reading(async (reading) => {
      const body = requestBody(req, res)[Symbol.asyncIterator]();
      const cut = rejection(reading.cut.signal);
      for (;;) {
        const next = await Promise.race([body.next(), cut]);
        if (next.done) return Buffer.concat(chunks, size);
        size += next.value.byteLength;
        if (size > limit) {
          await body.return(undefined);
          return undefined;
        }
        chunks.push(next.value);
        this.#hold(reading, next.value.byteLength);
      }
    });
  }

  /**
   * Reads the whole body of a request that announces `length` bytes. Throws as `read` does, and the reason of `signal`.
   */
  async readWhole(
    req: IncomingMessage,
    res: ServerResponse,
    length: number,
    signal: AbortSignal,
  ): Promise<Buffer> {
    return this.#reading((reading) => {
      this.#hold(reading, length);
      return wholeBody(req, res, length, AbortSignal.any([signal, reading.cut.signal]));
    });
  }

  async #reading<Result>(work: (reading: Reading) => Promise<Result>): Promise<Result> {
    const reading = { size: 0, cut: new AbortController() };
    this.#readings.add(reading);
    try {
      return await work(reading);
    } finally {
      this.#release(reading);
    }
  }

  #hold(reading: Reading, bytes: number): void {
    if (!this.#readings.delete(reading)) return;
    this.#readings.add(reading);
    reading.size += bytes;
    this.#held += bytes;
    for (const stalled of this.#readings) {
      if (this.#held <= this.#budget) return;
      this.#release(stalled);
      stalled.cut.abort(new RegistryError('TOO_MANY_BODIES'));
    }
  }

  #release(reading: Reading): void {
    if (this.#readings.delete(reading)) this.#held -= reading.size;
  }
}

function rejection(signal: AbortSignal): Promise<never> {
  const rejected = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  rejected.catch(() => undefined);
  return rejected;
}
