import { once } from 'node:events';
import type { Duplex, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasUnreadOutput } from '../../../lib/linux/unread-output.ts';
import { handleDescriptor } from '../../../lib/streams/handle-descriptor.ts';
import { whenEnded } from '../../../lib/streams/when-ended.ts';
import type { Attachment } from '../../containers/containers.ts';
import { endConnection, probeHalfClosed } from '../http/connection-end.ts';
import { parseDetachKeys } from '../http/query.ts';
import { frame } from './log-frames.ts';

export interface RelayOptions {
  /** Whether bytes are sent raw; in frames otherwise. */
  readonly tty: boolean;
  readonly stdin: boolean;
  /** The keys with which a client detaches at a terminal; see parseDetachKeys. */
  readonly detachKeys: string;
  readonly onDetach: () => void;
  readonly stopping: AbortSignal;
}

/**
 * Relays between an upgraded connection of a client and its attachment, until the output ends, the client leaves or the
 * agent stops. A client that only half-closes has no more input, and continues reading. `before` is written first.
 * Leaves `socket` with its writing side ended, and the attachment closed.
 */
export async function relayAttachment(
  socket: Duplex,
  attachment: Attachment | undefined,
  options: RelayOptions,
  before?: (signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>,
): Promise<void> {
  const gone = new AbortController();
  const leave = () => gone.abort();
  socket.once('close', leave);
  if (socket.destroyed) leave();
  probeHalfClosed(socket);
  const signal = AbortSignal.any([gone.signal, options.stopping]);
  try {
    if (before !== undefined) await relayOutput(await before(signal), socket, signal);
    if (attachment !== undefined) {
      await relayLive(socket, attachment, options, signal, () => {
        options.onDetach();
        leave();
      });
    }
  } finally {
    attachment?.close();
    // Not before the last byte is passed on: the client takes this for the end of the output.
    endConnection(socket);
  }
}

async function relayLive(
  socket: Duplex,
  attachment: Attachment,
  { tty, stdin, detachKeys }: RelayOptions,
  signal: AbortSignal,
  onDetach: () => void,
): Promise<void> {
  const leave = () => attachment.close();
  signal.addEventListener('abort', leave, { once: true });
  if (signal.aborted) leave();
  try {
    const scanner = new DetachScanner(parseDetachKeys(detachKeys));
    if (stdin) relayInput(socket, attachment, tty ? { scanner, onDetach } : undefined);
    else socket.resume();
    await relayOutput(attachmentFrames(attachment, tty), socket, signal);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}

/** Yields the frames of an attachment for the client. */
async function* attachmentFrames(attachment: Attachment, tty: boolean): AsyncGenerator<Uint8Array> {
  for await (const { stream, data } of attachment.output) {
    if (data.length > 0) yield tty ? data : frame(stream, data);
  }
}

/**
 * Writes `chunks` with backpressure, once the client has read everything written before. Returns at their end, or when
 * `signal` is aborted; a failure of `chunks` after that is ignored.
 */
async function relayOutput(
  chunks: AsyncIterable<Uint8Array>,
  socket: Writable,
  signal: AbortSignal,
): Promise<void> {
  let isFirst = true;
  try {
    for await (const chunk of chunks) {
      if (isFirst) await untilRead(socket, signal);
      isFirst = false;
      if (signal.aborted) return;
      if (!socket.write(chunk)) await once(socket, 'drain', { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Maximum milliseconds between two checks. */
const LONGEST_PAUSE = 50;

/**
 * Resolves when the client has read everything written to a Unix socket, or `signal` is aborted. docker-py buffers
 * while it reads the head of an answer, and loses output in that buffer; dockerd sends output later.
 */
async function untilRead(socket: Writable, signal: AbortSignal): Promise<void> {
  for (let pause = 1; !signal.aborted && isUnread(socket); pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    await sleep(pause);
  }
}

function isUnread(socket: Writable): boolean {
  const fd = handleDescriptor(socket);
  return fd !== undefined && (socket.writableLength > 0 || hasUnreadOutput(fd));
}

/** The detach keys, and the action. */
interface Detaching {
  readonly scanner: DetachScanner;
  readonly onDetach: () => void;
}

/**
 * Passes the client's bytes to the container's stdin in order, one chunk in flight, and its half-close as the end of
 * input. Bytes that the container no longer accepts are dropped.
 */
function relayInput(socket: Duplex, attachment: Attachment, detaching?: Detaching): void {
  let refused = false;
  socket.on('data', (chunk: Buffer) => {
    if (refused) return;
    const { data, detached } = detaching?.scanner.scan(chunk) ?? { data: chunk, detached: false };
    socket.pause();
    attachment.write(data).then(
      () => socket.resume(),
      () => {
        refused = true;
        socket.resume();
      },
    );
    if (detached) {
      refused = true;
      detaching?.onDetach();
    }
  });
  whenEnded(socket, () => attachment.endInput());
}

/** Finds the detach keys in the input of a client, even if they are spread over several pieces. */
export class DetachScanner {
  readonly #keys: readonly number[];
  /** Number of keys that have been typed and held back. */
  #matched = 0;

  constructor(keys: readonly number[]) {
    this.#keys = keys;
  }

  /**
   * Returns the bytes to pass on to the process, from this piece and from those held back; `detached` once all keys
   * were typed.
   */
  scan(piece: Uint8Array): { readonly data: Uint8Array; readonly detached: boolean } {
    const passed: number[] = [];
    for (const byte of piece) {
      const typed = [...this.#keys.slice(0, this.#matched), byte];
      // Keep the longest suffix of the input that is a prefix of the keys.
      while (!typed.every((key, index) => key === this.#keys[index])) passed.push(typed.shift() as number);
      this.#matched = typed.length;
      if (this.#matched === this.#keys.length) return { data: Uint8Array.from(passed), detached: true };
    }
    return { data: Uint8Array.from(passed), detached: false };
  }
}
