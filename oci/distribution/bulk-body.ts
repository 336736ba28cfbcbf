import type { Socket } from 'node:net';

/** Bytes of a block of received data. */
export const BULK_BLOCK = 256 << 10;

/** One fills while another is read; the third takes what TLS has decrypted when the connection is told to stop. */
const BLOCKS = 3;

/** A body that is still to come. */
export interface ResponseBody extends AsyncIterable<Buffer> {
  /** Lets go of the connection; whoever waits for a chunk gets the error. */
  destroy(error?: Error): unknown;
}

interface Block {
  readonly bytes: Buffer;
  filled: number;
  /** Number of its pieces that the reader still uses. */
  unread: number;
}

/** Received bytes of a block. */
interface Piece {
  readonly block: Block;
  readonly start: number;
  end: number;
}

/**
 * A body of known length that is received into the same few blocks over and over: a fresh one for each read, as Node has it,
 * costs more than receiving it. A chunk is its reader's until he asks for the next one. Fails with ECONNRESET, as Node's
 * own, when the connection ends before the body.
 */
export class BulkBody implements ResponseBody {
  readonly #first = newBlock();
  readonly #blocks = [this.#first];
  /** The block that the connection writes to. */
  #filling = this.#first;
  /** Unread pieces, oldest first. */
  #pieces: Piece[] = [];
  /** The connection was told to stop. */
  #isWaiting = false;
  #toCome = Number.POSITIVE_INFINITY;
  #toGive = 0;
  #socket: Socket | undefined;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  /**
   * Where the connection is to put its next bytes. It is asked for after each `took`, also when the connection has to wait,
   * and then bytes may come nevertheless: those that TLS had decrypted.
   */
  get room(): Buffer {
    if (this.#filling.filled === BULK_BLOCK) this.#filling = this.#freeBlock();
    return this.#filling.bytes.subarray(this.#filling.filled);
  }

  /** All that has come before `begin`. */
  get received(): Buffer {
    return this.#first.bytes.subarray(0, this.#first.filled);
  }

  /** Takes note of bytes in `room`, and answers whether more may be received. */
  took(count: number): boolean {
    const block = this.#filling;
    const start = block.filled;
    const wanted = Math.min(count, this.#toCome);
    block.filled += wanted;
    this.#toCome -= wanted;
    const last = this.#pieces.at(-1);
    if (last?.block === block && last.end === start) last.end = block.filled;
    else if (wanted > 0) this.#add({ block, start, end: block.filled });
    this.#wake?.();
    if (this.#toCome === 0) return false;
    this.#isWaiting ||= !this.#hasRoom();
    return !this.#isWaiting;
  }

  /** Of what has come the first `head` bytes are no part of the body, which has `length`. */
  begin(socket: Socket, head: number, length: number): void {
    this.#socket = socket;
    this.#toGive = length;
    let skipped = head;
    let left = length;
    const pieces = this.#pieces;
    this.#pieces = [];
    for (const { block, start, end } of pieces) {
      block.unread -= 1;
      const from = Math.min(end, start + skipped);
      skipped -= from - start;
      const to = Math.min(end, from + left);
      left -= to - from;
      if (to > from) this.#add({ block, start: from, end: to });
    }
    this.#toCome = left;
    this.#isWaiting = left > 0 && !this.#hasRoom();
    socket.on('error', (error) => this.#fail(error)).on('close', () => this.#fail(closedEarly()));
    if (socket.destroyed) this.#fail(closedEarly());
    else if (this.#toCome > 0 && !this.#isWaiting) socket.resume();
  }

  destroy(error?: Error): void {
    this.#fail(error ?? closedEarly());
    this.#socket?.destroy();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    try {
      while (this.#toGive > 0) {
        const { block, start, end } = await this.#next();
        this.#toGive -= end - start;
        yield block.bytes.subarray(start, end);
        this.#release(block);
      }
    } finally {
      this.destroy();
    }
  }

  async #next(): Promise<Piece> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece !== undefined) return piece;
      if (this.#failure !== undefined) throw this.#failure.error;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #add(piece: Piece): void {
    this.#pieces.push(piece);
    piece.block.unread += 1;
  }

  /** The reader is done with a piece: a block without any may be filled again. */
  #release(block: Block): void {
    block.unread -= 1;
    if (!this.#isWaiting || !this.#hasRoom()) return;
    this.#isWaiting = false;
    this.#socket?.resume();
  }

  /** Whether a block stays free if another one fills up before the connection has stopped. */
  #hasRoom(): boolean {
    const used = this.#blocks.filter((block) => block === this.#filling || block.unread > 0).length;
    return BLOCKS - used >= (this.#filling.filled < BULK_BLOCK ? 1 : 2);
  }

  #freeBlock(): Block {
    const free = this.#blocks.find((block) => block !== this.#filling && block.unread === 0);
    if (free !== undefined) {
      free.filled = 0;
      return free;
    }
    const made = newBlock();
    this.#blocks.push(made);
    return made;
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake?.();
  }
}

function newBlock(): Block {
  return { bytes: Buffer.allocUnsafeSlow(BULK_BLOCK), filled: 0, unread: 0 };
}

function closedEarly(): Error {
  return Object.assign(new Error('aborted'), { code: 'ECONNRESET' });
}
