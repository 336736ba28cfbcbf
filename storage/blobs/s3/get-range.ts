import { isIP } from 'node:net';
import { Readable } from 'node:stream';
import { connect, type SecureContext, type TLSSocket } from 'node:tls';
import { isAnswerTo, type RangeRequest, rangeRequest } from './range-request.ts';

/** Bytes of a chunk: a chunk for each TLS record of 16 KiB costs three times the processor time. */
const BLOCK_SIZE = 128 * 1024;
/** Maximum bytes of the headers of an answer. */
const LARGEST_HEAD = 32 * 1024;
const END_OF_HEAD = '\r\n\r\n';

/**
 * GETs a part of an object (`https:`) over a dedicated connection, verified with `secure`, in large chunks that the
 * reader may keep. The body ends early when the connection closes or is silent for `time` milliseconds. Returns
 * undefined when the connection fails, the answer does not arrive within that time, or is anything but the requested
 * bytes, unencoded and with their length. Throws the signal's reason.
 */
export async function getRange(
  request: RangeRequest,
  secure: SecureContext,
  time: number,
  signal: AbortSignal | undefined,
): Promise<Readable | undefined> {
  signal?.throwIfAborted();
  const body = new BulkBody(request, secure, time);
  const giveUp = () => body.destroy();
  signal?.addEventListener('abort', giveUp, { once: true });
  const late = setTimeout(giveUp, time);
  const isThere = await body.announced;
  clearTimeout(late);
  signal?.removeEventListener('abort', giveUp);
  if (isThere && !signal?.aborted) return body;
  body.destroy();
  signal?.throwIfAborted();
  return undefined;
}

class BulkBody extends Readable {
  /** Resolves to whether the answer has begun as expected. */
  readonly announced: Promise<boolean>;
  readonly #announce: (isThere: boolean) => void;
  readonly #request: RangeRequest;
  readonly #socket: TLSSocket;
  readonly #time: number;
  #block = newBlock();
  #filled = 0;
  #hasHead = false;
  #isPaused = false;
  #hasEnded = false;
  /** Number of bytes of the body that have not arrived. */
  #left: number;

  constructor(request: RangeRequest, secure: SecureContext, time: number) {
    super({ highWaterMark: 2 * BLOCK_SIZE });
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.announced = promise;
    this.#announce = resolve;
    this.#request = request;
    this.#left = request.range.end - request.range.start + 1;
    this.#time = time;
    const { hostname, port } = new URL(request.url);
    const host = hostname.replace(/^\[|\]$/g, '');
    this.#socket = connect({
      host,
      port: Number(port || 443),
      secureContext: secure,
      ...(isIP(host) === 0 && { servername: host }),
      // Missing from its types, though documented. Decrypted bytes arrive even while the connection is paused.
      ...{ onread: { buffer: () => this.#room, callback: (count: number) => this.#take(count) } },
    });
    const end = () => this.#end();
    this.#socket.setNoDelay(true).setTimeout(time, end).on('error', end).on('end', end).on('close', end);
    this.#socket.write(rangeRequest(request));
  }

  override _read(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#socket.setTimeout(this.#time);
    this.#socket.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#announce(false);
    this.#socket.destroy();
    callback(error);
  }

  get #room(): Buffer {
    return this.#block.subarray(this.#filled);
  }

  /** Processes `count` bytes; returns whether more are needed. */
  #take(count: number): boolean {
    this.#filled += count;
    if (!this.#hasHead && !this.#takeHead()) return true;
    if (this.#filled < Math.min(BLOCK_SIZE, this.#left)) return true;
    const wantsMore = this.#pass();
    if (this.#left === 0) this.#end();
    else if (!wantsMore) {
      this.#isPaused = true;
      this.#socket.setTimeout(0);
    }
    return wantsMore && this.#left > 0;
  }

  /** Parses the headers; returns whether the body follows. */
  #takeHead(): boolean {
    const received = this.#block.subarray(0, this.#filled);
    const end = received.indexOf(END_OF_HEAD);
    if (end === -1 && this.#filled < LARGEST_HEAD) return false;
    const head = received.toString('latin1', 0, end + END_OF_HEAD.length);
    if (end === -1 || !isAnswerTo(this.#request, head)) {
      this.#announce(false);
      return false;
    }
    this.#hasHead = true;
    received.copyWithin(0, head.length);
    this.#filled -= head.length;
    this.#announce(true);
    return true;
  }

  /** Passes received bytes on; returns false when the reader must catch up first. */
  #pass(): boolean {
    const count = Math.min(this.#filled, this.#left);
    const chunk = count === BLOCK_SIZE ? this.#block : this.#block.subarray(0, count);
    this.#left -= count;
    this.#block = newBlock();
    this.#filled = 0;
    return this.push(chunk);
  }

  #end(): void {
    this.#announce(false);
    if (this.#hasEnded || this.destroyed) return;
    this.#hasEnded = true;
    if (this.#hasHead && this.#filled > 0 && this.#left > 0) this.#pass();
    this.#socket.destroy();
    this.push(null);
  }
}

function newBlock(): Buffer {
  return Buffer.allocUnsafeSlow(BLOCK_SIZE);
}
