import type { Duplex } from 'node:stream';
import type { Attachment } from '../../containers/containers.ts';
import { EngineError } from '../../errors.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { queryBoolean } from '../http/query.ts';
import { endConnection, probeHalfClosed } from './connection-end.ts';
import { frame } from './frame.ts';
import { logFrames } from './log-frames.ts';
import { relayInput } from './relay-input.ts';
import { relayOutput } from './relay-output.ts';

/** An attach that has been granted; `relay` must be called, or the attachment stays. */
export interface AttachSession {
  readonly tty: boolean;
  /**
   * Relays over a connection that was taken over until the container's output ends, the client leaves or the
   * agent stops. A client that only half-closes has no more input, and goes on reading. Leaves `socket` with
   * its writing side ended.
   */
  relay(socket: Duplex): Promise<void>;
}

/**
 * Opens `POST /containers/{ref}/attach` (Engine API, ContainerAttach). Throws EngineError 'not-found', or
 * 'conflict' for a paused container.
 */
export async function openAttach(
  deps: EngineDeps,
  ref: string,
  query: URLSearchParams,
): Promise<AttachSession> {
  const container = await deps.containers.get(ref);
  if (container.state.status === 'paused') {
    throw new EngineError('conflict', `container ${ref} is paused, unpause the container before attach`);
  }
  const stdin = queryBoolean(query, 'stdin') && container.config.OpenStdin;
  const stdout = queryBoolean(query, 'stdout');
  const stderr = queryBoolean(query, 'stderr');
  const tty = container.config.Tty;
  const attachment = queryBoolean(query, 'stream')
    ? await deps.containers.attach(container.id, { stdin, stdout, stderr })
    : undefined;
  const attachedAt = Date.now();

  return {
    tty,
    async relay(socket) {
      const gone = new AbortController();
      socket.once('close', () => gone.abort());
      if (socket.destroyed) gone.abort();
      probeHalfClosed(socket);
      const signal = AbortSignal.any([gone.signal, deps.stopping]);
      try {
        if (queryBoolean(query, 'logs')) {
          const options = { stdout, stderr, follow: false, until: attachedAt };
          const lines = await deps.containers.logs(container.id, options, signal);
          await relayOutput(logFrames(lines, { tty, timestamps: false, signal }), socket, signal);
        }
        if (attachment !== undefined) await relayLive(attachment, socket, { tty, stdin, signal });
      } finally {
        attachment?.close();
        // Not before the last byte is handed over: the client takes this for the end of the output.
        endConnection(socket);
      }
    },
  };
}

async function relayLive(
  attachment: Attachment,
  socket: Duplex,
  options: { readonly tty: boolean; readonly stdin: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const leave = () => attachment.close();
  options.signal.addEventListener('abort', leave, { once: true });
  if (options.signal.aborted) leave();
  try {
    if (options.stdin) relayInput(socket, attachment);
    else socket.resume();
    await relayOutput(framesOf(attachment, options.tty), socket, options.signal);
  } finally {
    options.signal.removeEventListener('abort', leave);
  }
}

async function* framesOf(attachment: Attachment, tty: boolean): AsyncGenerator<Uint8Array> {
  for await (const { stream, data } of attachment.output) {
    if (data.length > 0) yield tty ? data : frame(stream, data);
  }
}
