import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';

/** Loaded with `node --import`: a request whose path contains these words blocks the event loop forever. */
const WORDS = '/block-the-event-loop/';

/** NODE_OPTIONS of such a program. */
export const BLOCKING = `--import=${import.meta.url}`;

subscribe('http.server.request.start', (message) => {
  const { request } = message as { readonly request: IncomingMessage };
  if (request.url?.includes(WORDS)) process.nextTick(blockTheEventLoop);
});

function blockTheEventLoop(): void {
  for (;;);
}
