import type { ServerResponse } from 'node:http';

/** Sends spaces until the client closes the connection. Returns how many bytes it has taken so far. */
export function sendWithoutEnd(response: ServerResponse): () => number {
  const chunk = Buffer.alloc(64 * 1024, ' ');
  let sent = 0;
  const send = () => {
    while (!response.destroyed) {
      sent += chunk.length;
      if (!response.write(chunk)) return;
    }
  };
  response.on('drain', send);
  send();
  return () => sent;
}
