import { connect } from 'node:net';

const BUFFER_SIZE = 1024 * 1024;

/** Reads the answer into one buffer over and over, so that the client costs as little as it can. */
export function getAndDiscard(url: string, size: number, signal?: AbortSignal): Promise<void> {
  const { hostname, port, pathname, host } = new URL(url);
  return new Promise((resolve, reject) => {
    let head: string | undefined = '';
    let received = 0;
    const socket = connect({
      host: hostname,
      port: Number(port),
      ...(signal && { signal }),
      onread: {
        buffer: Buffer.allocUnsafe(BUFFER_SIZE),
        callback: (length, bytes) => {
          received += length;
          if (head !== undefined) {
            head += Buffer.from(bytes).toString('latin1', 0, length);
            const end = head.indexOf('\r\n\r\n');
            if (end !== -1) {
              received = head.length - end - 4;
              if (!head.startsWith('HTTP/1.1 200'))
                socket.destroy(new Error(`${url}: ${head.slice(0, end)}`));
              head = undefined;
            }
          }
          if (head === undefined && received >= size) {
            socket.destroy();
            resolve();
          }
          return true;
        },
      },
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`${url} ended after ${received} of ${size} bytes`)));
    socket.write(`GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  });
}
