import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import type { Context } from 'koa';
import { isLoopback } from '../../lib/http/addresses.ts';
import { SendfileThread, type TransferOutcome } from '../../lib/linux/sendfile/sendfile-thread.ts';
import { plainDescriptor } from '../../lib/streams/handle-descriptor.ts';

/** A part of an open file. */
export interface FilePart {
  readonly fd: number;
  /** Bytes `start` up to and without `end`. */
  readonly start: number;
  readonly end: number;
}

/** Bytes that come over a connection. */
export interface ConnectionPart {
  readonly connection: Socket;
  /** What has been read of them already. */
  readonly begun: Uint8Array;
  /** How many there are, with those. */
  readonly length: number;
}

/** Below this a pair of messages to another thread costs more than reading and writing. */
const SMALLEST = 128 * 1024;
/** Milliseconds for which a connection may give nothing while it is waited for. */
const SILENCE = 20_000;

/** Sends bodies by sendfile(2) and splice(2), which neither copy them nor take a thread of Node's pool. */
export class BodySender {
  readonly #silence: number;
  #thread: SendfileThread | undefined;

  /** `silence` is how many milliseconds a connection may give nothing. */
  constructor(silence: number = SILENCE) {
    this.#silence = silence;
  }

  /** Whether a body of `length` bytes can and should be sent so; otherwise it is to be read and written. */
  canSend(res: ServerResponse, length: number): boolean {
    return process.platform === 'linux' && length >= SMALLEST && plainDescriptor(res.socket) !== undefined;
  }

  /**
   * Sends the head of the answer, the part as its body, and ends it. Resolves with the number of bytes of the
   * body. Rejects when it could not be sent whole; the connection is to be cut then. Where canSend said yes.
   */
  async send(res: ServerResponse, { fd: file, start, end }: FilePart, signal: AbortSignal): Promise<number> {
    const { socket, local, onProgress } = await this.#begin(res, signal);
    const outcome = await this.#running().send({ socket, local, file, start, end }, onProgress, signal);
    if (outcome.sent < end - start) throwCut(outcome, signal);
    res.end();
    return outcome.sent;
  }

  /**
   * Sends the head of the answer, if it has not been sent, and what comes over the connection. Resolves with the number
   * of bytes that were sent, which is less than `length` when the connection broke off or gave nothing for too long.
   * Rejects when the client cannot be sent any more. The connection stays its owner's, who can do nothing with it.
   */
  async relay(res: ServerResponse, part: ConnectionPart, signal: AbortSignal): Promise<number> {
    const { begun } = part;
    if (begun.byteLength > 0) res.write(begun);
    const { socket, local, onProgress } = await this.#begin(res, signal);
    const length = part.length - begun.byteLength;
    const source = plainDescriptor(part.connection);
    if (length === 0 || source === undefined) return begun.byteLength;
    const transfer = { socket, local, source, length, silence: this.#silence };
    const outcome = await this.#running().relay(transfer, onProgress, signal);
    if (outcome.sent < length && outcome.fault?.side !== 'source') throwCut(outcome, signal);
    return begun.byteLength + outcome.sent;
  }

  async close(): Promise<void> {
    await this.#thread?.close();
  }

  /** Waits until the system has all that was written so far: what another thread sends comes after it. */
  async #begin(res: ServerResponse, signal: AbortSignal) {
    if (!res.headersSent) res.flushHeaders();
    await written(res);
    signal.throwIfAborted();
    const socket = plainDescriptor(res.socket);
    if (socket === undefined) throw new Error('the connection was closed before the answer began');
    const onProgress = () => res.socket?.setTimeout(res.socket.timeout ?? 0);
    return { socket, local: isLoopback(res.socket?.remoteAddress ?? ''), onProgress };
  }

  #running(): SendfileThread {
    if (this.#thread === undefined || this.#thread.broken) this.#thread = new SendfileThread();
    return this.#thread;
  }
}

function throwCut({ fault }: TransferOutcome, signal: AbortSignal): never {
  signal.throwIfAborted();
  throw new Error(fault?.message ?? 'the answer was cut short: the server stops');
}

function written(res: ServerResponse): Promise<void> {
  const { socket } = res;
  return new Promise((resolve, reject) => {
    if (socket === null) reject(new Error('the connection was closed before the answer began'));
    else socket.write('', (error) => (error ? reject(error) : resolve()));
  });
}

/**
 * Sends content whose status and headers are set, past koa. Resolves when the client has it all. When the
 * content fails in the middle the connection is cut, so that the client does not take a part for the whole.
 */
export async function sendContent(
  ctx: Context,
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  ctx.respond = false;
  await pipeline(passing(content, ctx.res), ctx.res, { signal });
}

/**
 * Lets go of the memory of large chunks as soon as they are with the system: left to the garbage collector they make
 * it work all the time. One that is as large as what may be buffered is there when the next one is asked for.
 */
async function* passing(content: AsyncIterable<Uint8Array>, res: ServerResponse): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) {
    const isSentBeforeNext = chunk.byteLength >= res.writableHighWaterMark;
    yield chunk;
    const { buffer } = chunk;
    if (isSentBeforeNext && buffer instanceof ArrayBuffer && buffer.byteLength === chunk.byteLength) {
      buffer.transfer(0);
    }
  }
}
