import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type CleanupScope, defer } from './cleanup.ts';

/** A TCP proxy that cuts connections on which clients send much. */
export interface CuttingProxy {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Connections that it has cut. */
  cuts(): number;
}

/** Passes bytes on to a port of loopback; the first `cuts` connections that bring more than `after` bytes are cut there. */
export async function startCuttingProxy(
  scope: CleanupScope,
  port: number,
  { cuts, after }: { readonly cuts: number; readonly after: number },
): Promise<CuttingProxy> {
  let done = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const registry = connect(port, '127.0.0.1');
    for (const socket of [client, registry]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    }
    let received = 0;
    client.on('error', () => registry.destroy());
    registry.on('error', () => client.destroy());
    client.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (received > after && done < cuts) {
        done++;
        client.destroy();
        registry.destroy();
      } else if (!registry.write(chunk)) {
        client.pause();
        registry.once('drain', () => client.resume());
      }
    });
    client.on('close', () => registry.end());
    registry.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  defer(scope, async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, cuts: () => done };
}
