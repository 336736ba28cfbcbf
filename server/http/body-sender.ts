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

/** Bytes that arrive over a connection. */
export interface ConnectionPart {
  readonly connection: Socket;
  /** Bytes that were already read. */
  readonly begun: Uint8Array;
  /** Total length, including those. */
  readonly length: number;
}

/** Minimum bytes: below this, a pair of messages to another thread costs more than reading and writing. */
const SMALLEST = 128 * 1024;
/** Maximum milliseconds of silence of a connection. */
const SILENCE = 20_000;

/** Sends bodies by sendfile(2) and splice(2), which neither copy them nor take a thread of Node's pool. */
export class BodySender {
  readonly #silence: number;
  #thread: SendfileThread | undefined;

  /** `silence` is the maximum silence of a connection, in milliseconds. */
  constructor(silence: number = SILENCE) {
    this.#silence = silence;
  }

  /**
   * Reports whether a body of `length` bytes can and should be sent this way; otherwise it must be read and written.
   */
  canSend(res: ServerResponse, length: number): boolean {
    return process.platform === 'linux' && length >= SMALLEST && plainDescriptor(res.socket) !== undefined;
  }

  /**
   * Sends the head of the answer and the part as its body, and ends it. Resolves with the bytes of the body. Rejects
   * when it was not sent completely; the connection must then be cut. Only if canSend is true.
   */
  async send(res: ServerResponse, { fd: file, start, end }: FilePart, signal: AbortSignal): Promise<number> {
    const { socket, local, onProgress } = await this.#begin(res, signal);
    const outcome = await this.#running().send({ socket, local, file, start, end }, onProgress, signal);
    if (outcome.sent < end - start) throwCut(outcome, signal);
    res.end();
    return outcome.sent;
  }

  /**
   * Sends the head of the answer, if it has not been sent, and the bytes of the connection. Resolves with the number of
   * bytes sent, which is less than `length` when the connection broke or was silent for too long. Rejects when the
   * client cannot be reached. The caller still owns the connection, but cannot reuse it.
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

  /** Waits until the system has all earlier output, so that output of another thread follows it. */
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
  throw new Error(fault?.message ?? 'the answer was cut short: the server is stopping');
}

function written(res: ServerResponse): Promise<void> {
  const { socket } = res;
  return new Promise((resolve, reject) => {
    if (socket === null) reject(new Error('the connection was closed before the answer began'));
    else socket.write('', (error) => (error ? reject(error) : resolve()));
  });
}

/**
 * Sends content whose status and headers are set, bypassing koa. Resolves when the client has everything. When the
 * content fails midway, the connection is cut, so that the client does not take a part for the whole.
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
 * Releases the memory of large chunks as soon as the system has them: the garbage collector would otherwise work all
 * the time. A chunk as large as the buffer is sent when the next one is requested.
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
