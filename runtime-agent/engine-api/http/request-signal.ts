import type { ServerResponse } from 'node:http';

/**
 * Aborted when the client hangs up or the agent stops, so that the work that the request caused stops. It is
 * aborted after a whole answer too, which is of no effect then.
 */
export function requestSignal(response: ServerResponse, stopping: AbortSignal): AbortSignal {
  const hangUp = new AbortController();
  // Whoever left while the request was looked at is not heard of again.
  if (response.destroyed) hangUp.abort();
  else response.once('close', () => hangUp.abort());
  return AbortSignal.any([hangUp.signal, stopping]);
}
