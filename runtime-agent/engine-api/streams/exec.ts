import type { IncomingMessage } from 'node:http';
import { publishContainerEvent } from '../../containers/container-events.ts';
import { decodeExecStart } from '../decode/exec-request.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { readJsonBody } from '../http/json-body.ts';
import type { StreamSession } from './attach.ts';
import { relayAttachment } from './relay-attachment.ts';

/**
 * Serves `POST /exec/{id}/start` (Engine API, ExecStart) with its streams; `detached` when the client wants none, and the
 * command runs already. Throws EngineError.
 */
export async function openExec(
  deps: EngineDeps,
  id: string,
  request: IncomingMessage,
): Promise<StreamSession | 'detached'> {
  const { detach, tty, size } = decodeExecStart(await readJsonBody(request));
  const options = size === undefined ? {} : { size };
  if (detach) {
    await deps.execs.startDetached(id, options);
    return 'detached';
  }
  const exec = await deps.execs.get(id);
  const { attachStdin: stdin, detachKeys } = exec.request;
  const container = await deps.containers.get(exec.containerId);
  const { attachment } = await deps.execs.start(id, options);
  const onDetach = () => publishContainerEvent(deps.events, container, 'exec_detach', { execID: id });
  return {
    tty,
    relay: async (socket) =>
      relayAttachment(socket, await attachment, {
        tty,
        stdin,
        detachKeys,
        onDetach,
        stopping: deps.stopping,
      }),
  };
}
