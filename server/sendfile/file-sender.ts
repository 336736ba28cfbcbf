import type { ServerResponse } from 'node:http';
import { plainDescriptor } from '../http/plain-descriptor.ts';
import { SendfileThread } from './sendfile-thread.ts';
import { isLoopback } from './tune-socket.ts';

/** A part of an open file. */
export interface FilePart {
  readonly fd: number;
  /** Bytes `start` up to and without `end`. */
  readonly start: number;
  readonly end: number;
}

/** Below this a pair of messages to another thread costs more than reading the file. */
const SMALLEST = 128 * 1024;

/** Answers with files by sendfile(2), which neither copies them nor takes a thread of Node's pool. */
export class FileSender {
  #thread: SendfileThread | undefined;

  /** Whether a file of `length` bytes can and should be sent so; otherwise it is to be read and written. */
  canSend(res: ServerResponse, length: number): boolean {
    return process.platform === 'linux' && length >= SMALLEST && plainDescriptor(res.socket) !== undefined;
  }

  /**
   * Sends the head of the answer, the part as its body, and ends it. Resolves with the number of bytes of the
   * body. Rejects when it could not be sent whole; the connection is to be cut then. Where canSend said yes.
   */
  async send(res: ServerResponse, part: FilePart, signal: AbortSignal): Promise<number> {
    res.flushHeaders();
    await written(res);
    signal.throwIfAborted();
    const socket = plainDescriptor(res.socket);
    if (socket === undefined) throw new Error('the connection was closed before the answer began');
    const { start, end, fd: file } = part;
    const onProgress = () => res.socket?.setTimeout(res.socket.timeout ?? 0);
    const local = isLoopback(res.socket?.remoteAddress);
    const outcome = await this.#running().send({ socket, local, file, start, end }, onProgress, signal);
    if (outcome.error === undefined && outcome.sent === end - start) res.end();
    else this.#throwCut(outcome.error, signal);
    return outcome.sent;
  }

  async close(): Promise<void> {
    await this.#thread?.close();
  }

  #running(): SendfileThread {
    if (this.#thread === undefined || this.#thread.broken) this.#thread = new SendfileThread();
    return this.#thread;
  }

  #throwCut(error: Error | undefined, signal: AbortSignal): never {
    signal.throwIfAborted();
    throw error ?? new Error('the answer was cut short: the server stops');
  }
}

/** Waits until the system has all that was written so far: what another thread sends comes after it. */
function written(res: ServerResponse): Promise<void> {
  const { socket } = res;
  return new Promise((resolve, reject) => {
    if (socket === null) reject(new Error('the connection was closed before the answer began'));
    else socket.write('', (error) => (error ? reject(error) : resolve()));
  });
}
