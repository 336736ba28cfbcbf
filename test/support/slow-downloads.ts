import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CleanupScope, defer } from './cleanup.ts';

/**
 * Starts a proxy to `port` of 127.0.0.1 whose answers come at `rate` bytes a second at most, and each connection is cut after `after`
 * bytes of them. Returns its port.
 */
export async function startSlowDownloads(
  scope: CleanupScope,
  port: number,
  { rate, after }: { readonly rate: number; readonly after: number },
): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const registry = connect(port, '127.0.0.1');
    const end = () => {
      client.destroy();
      registry.destroy();
    };
    for (const socket of [client, registry]) {
      sockets.add(socket);
      socket.on('error', end).on('close', () => sockets.delete(socket));
    }
    client.pipe(registry);
    client.on('close', end);
    passSlowly(registry, client, rate, after).finally(end);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  defer(scope, async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

async function passSlowly(from: Socket, to: Socket, rate: number, after: number): Promise<void> {
  let passed = 0;
  try {
    for await (const chunk of from) {
      passed += chunk.length;
      if (!to.write(chunk)) await once(to, 'drain');
      if (passed > after) return;
      await sleep((chunk.length / rate) * 1000);
    }
  } catch {
    // One of the two has gone.
  }
}
