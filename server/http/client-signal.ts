import type { ServerResponse } from 'node:http';

/** The client closed the connection before it had the answer. */
export class ClientGoneError extends Error {
  constructor() {
    super('the client closed the connection');
    this.name = 'ClientGoneError';
  }
}

/** A signal that aborts, with ClientGoneError, when the connection closes before the answer is complete. */
export function clientSignal(res: ServerResponse): AbortSignal {
  const controller = new AbortController();
  const onClose = () => {
    if (!res.writableFinished) controller.abort(new ClientGoneError());
  };
  if (res.closed) onClose();
  else res.once('close', onClose);
  return controller.signal;
}
