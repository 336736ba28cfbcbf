import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';

/** Loaded with `node --import`: a request whose path contains these words blocks the event loop. */
const WORDS = '/block-the-event-loop/';
/** Milliseconds, after which the request is answered: nothing watches the event loop then. */
const BLOCKED = 110_000;

/** NODE_OPTIONS of such a program. */
export const BLOCKING = `--import=${import.meta.url}`;

subscribe('http.server.request.start', (message) => {
  const { request } = message as { readonly request: IncomingMessage };
  if (request.url?.includes(WORDS)) process.nextTick(blockTheEventLoop);
});

function blockTheEventLoop(): void {
  for (const end = Date.now() + BLOCKED; Date.now() < end; );
}
