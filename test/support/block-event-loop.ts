import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';

/** To be loaded with `node --import`: a request whose path holds these words blocks the event loop for good. */
const WORDS = '/block-the-event-loop/';

/** NODE_OPTIONS of a program that is to be blocked so. */
export const BLOCKING = `--import=${import.meta.url}`;

subscribe('http.server.request.start', (message) => {
  const { request } = message as { readonly request: IncomingMessage };
  if (request.url?.includes(WORDS)) process.nextTick(blockTheEventLoop);
});

function blockTheEventLoop(): void {
  for (;;);
}
