import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type CleanupScope, defer } from './cleanup.ts';

/** A TCP proxy that counts the bytes of answers. */
export interface CountingProxy {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Bytes that have gone from the server to clients so far, on all connections. */
  answered(): number;
}

/** Starts a proxy to a port of loopback. It ends with `scope`. */
export async function startCountingProxy(scope: CleanupScope, port: number): Promise<CountingProxy> {
  let answered = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    }
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
    upstream.on('data', (chunk: Buffer) => {
      answered += chunk.length;
    });
    client.pipe(upstream);
    upstream.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  defer(scope, async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, answered: () => answered };
}
