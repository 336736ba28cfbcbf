import type { Duplex } from 'node:stream';
import type { Attachment } from '../../containers/containers.ts';
import { parseDetachKeys } from '../decode/terminal.ts';
import { endConnection, probeHalfClosed } from './connection-end.ts';
import { frame } from './frame.ts';
import { DetachScanner, relayInput } from './relay-input.ts';
import { relayOutput } from './relay-output.ts';

export interface RelayOptions {
  /** Bytes as they are; in frames otherwise. */
  readonly tty: boolean;
  readonly stdin: boolean;
  /** By which a client at a terminal leaves; see parseDetachKeys. */
  readonly detachKeys: string;
  readonly onDetach: () => void;
  readonly stopping: AbortSignal;
}

/**
 * Relays between a client's connection that was taken over and its attachment, until the output ends, the client leaves
 * or the agent stops. A client that only half-closes has no more input, and goes on reading. `before` is written first.
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
    // Not before the last byte is handed over: the client takes this for the end of the output.
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

/** What a client reads of an attachment. */
async function* attachmentFrames(attachment: Attachment, tty: boolean): AsyncGenerator<Uint8Array> {
  for await (const { stream, data } of attachment.output) {
    if (data.length > 0) yield tty ? data : frame(stream, data);
  }
}
