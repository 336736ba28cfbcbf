import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CleanupScope, defer } from './cleanup.ts';

/**
 * Starts a proxy to `port` of 127.0.0.1 on which each connection sends at most `rate` bytes a second; answers come back at full
 * speed. Returns its port.
 */
export async function startSlowProxy(scope: CleanupScope, port: number, rate: number): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const registry = connect(port, '127.0.0.1');
    for (const socket of [client, registry]) {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    }
    registry.pipe(client);
    client.on('close', () => registry.destroy());
    registry.on('close', () => client.destroySoon());
    passSlowly(client, registry, rate).catch(() => registry.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  defer(scope, async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function passSlowly(from: Socket, to: Socket, rate: number): Promise<void> {
  for await (const chunk of from) {
    if (!to.write(chunk)) await once(to, 'drain');
    await sleep((chunk.length / rate) * 1000);
  }
  to.end();
}
