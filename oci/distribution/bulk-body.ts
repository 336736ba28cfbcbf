import type { Socket } from 'node:net';

/** Bytes of each of the two blocks: one fills while the other is used. */
export const BULK_BLOCK = 256 << 10;

/** A body that is still to come. */
export interface ResponseBody extends AsyncIterable<Buffer> {
  /** Lets go of the connection; whoever waits for a chunk gets the error. */
  destroy(error?: Error): unknown;
}

interface Block {
  readonly bytes: Buffer;
  filled: number;
  /** Bytes that the reader has got. */
  given: number;
}

/**
 * A body of known length that is received into the same two blocks over and over: a fresh one for each read, as Node has it,
 * costs more than receiving it. A chunk is its reader's until he asks for the next one. Fails with ECONNRESET, as Node's
 * own, when the connection ends before the body.
 */
export class BulkBody implements ResponseBody {
  /** The block that the connection writes to. */
  #filling = newBlock();
  /** The other one. */
  #other = newBlock();
  /** The connection has to wait until the reader is done with the block that comes next. */
  #isWaiting = false;
  #toCome = Number.POSITIVE_INFINITY;
  #toGive = 0;
  #socket: Socket | undefined;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  /** Where the connection is to put its next bytes: asked for after each `took`, also when it has to wait. */
  get room(): Buffer {
    return this.#isWaiting ? this.#filling.bytes : this.#filling.bytes.subarray(this.#filling.filled);
  }

  /** All that has come before `begin`. */
  get received(): Buffer {
    return this.#filling.bytes.subarray(0, this.#filling.filled);
  }

  /** Takes note of bytes in `room`, and answers whether more may be received. */
  took(count: number): boolean {
    this.#filling.filled += Math.min(count, this.#toCome);
    this.#toCome -= Math.min(count, this.#toCome);
    this.#wake?.();
    if (this.#toCome === 0) return false;
    if (this.#filling.filled < BULK_BLOCK) return true;
    [this.#filling, this.#other] = [this.#other, this.#filling];
    this.#isWaiting = this.#filling.filled > 0;
    return !this.#isWaiting;
  }

  /** Of what has come the first `head` bytes are no part of the body, which has `length`. */
  begin(socket: Socket, head: number, length: number): void {
    this.#socket = socket;
    this.#toGive = length;
    this.#filling.given = head;
    this.#filling.filled = Math.min(this.#filling.filled, head + length);
    this.#toCome = length - (this.#filling.filled - head);
    socket.on('error', (error) => this.#fail(error)).on('close', () => this.#fail(closedEarly()));
    if (socket.destroyed) this.#fail(closedEarly());
    else if (this.#toCome > 0) socket.resume();
  }

  destroy(error?: Error): void {
    this.#fail(error ?? closedEarly());
    this.#socket?.destroy();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    try {
      while (this.#toGive > 0) {
        const chunk = await this.#next();
        this.#toGive -= chunk.length;
        yield chunk;
        this.#release();
      }
    } finally {
      this.destroy();
    }
  }

  async #next(): Promise<Buffer> {
    for (;;) {
      // What filled up first comes first; the block that waits is the older one.
      for (const block of this.#isWaiting ? [this.#filling, this.#other] : [this.#other, this.#filling]) {
        const { bytes, given, filled } = block;
        if (given === filled) continue;
        block.given = filled;
        return bytes.subarray(given, filled);
      }
      if (this.#failure !== undefined) throw this.#failure.error;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The reader is done with what he has got: a block that is full and given may be filled again. */
  #release(): void {
    for (const block of [this.#filling, this.#other]) {
      if (block.given < BULK_BLOCK) continue;
      block.given = 0;
      block.filled = 0;
    }
    if (!this.#isWaiting || this.#filling.filled > 0) return;
    this.#isWaiting = false;
    this.#socket?.resume();
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake?.();
  }
}

function newBlock(): Block {
  return { bytes: Buffer.allocUnsafeSlow(BULK_BLOCK), filled: 0, given: 0 };
}

function closedEarly(): Error {
  return Object.assign(new Error('aborted'), { code: 'ECONNRESET' });
}
