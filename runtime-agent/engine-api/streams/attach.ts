import type { Duplex } from 'node:stream';
import { publishContainerEvent } from '../../containers/container-events.ts';
import { EngineError } from '../../errors.ts';
import { parseDetachKeys } from '../decode/terminal.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { queryBoolean } from '../http/query.ts';
import { logFrames } from './log-frames.ts';
import { relayAttachment } from './relay-attachment.ts';

/** Streams that have been granted; `relay` must be called, or the attachment stays. */
export interface StreamSession {
  readonly tty: boolean;
  /** See relayAttachment. */
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
): Promise<StreamSession> {
  const detachKeys = query.get('detachKeys') ?? '';
  parseDetachKeys(detachKeys);
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
  const log = async (signal: AbortSignal) => {
    const options = { stdout, stderr, follow: false, until: attachedAt };
    const lines = await deps.containers.logs(container.id, options, signal);
    return logFrames(lines, { tty, timestamps: false, signal });
  };
  const onDetach = () => publishContainerEvent(deps.events, container, 'detach');
  const withLog = queryBoolean(query, 'logs') ? log : undefined;
  return {
    tty,
    relay: (socket) =>
      relayAttachment(
        socket,
        attachment,
        { tty, stdin, detachKeys, onDetach, stopping: deps.stopping },
        withLog,
      ),
  };
}
