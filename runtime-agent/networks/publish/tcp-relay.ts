import { connect, createServer, type Socket } from 'node:net';
import type { Relay, RelayTarget } from './relay.ts';
import type { SocketBudget } from './socket-budget.ts';

/** Maximum connections of a port. The packet filter forwards published ports; only connections that it cannot forward pass here. */
const MOST = 4096;
/** Of a connection: the client's and the container's. */
const SOCKETS = 2;

/** See openRelay. Either side may end its half first. */
export function openTcpRelay(host: string, port: number, connections: SocketBudget): Promise<Relay> {
  let target: RelayTarget | undefined;
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    if (target === undefined || !connections.take(SOCKETS)) {
      client.destroy();
      return;
    }
    const inner = connect({ host: target.address, port: target.port, allowHalfOpen: true });
    for (const [socket, other] of [
      [client, inner],
      [inner, client],
    ] as const) {
      open.add(socket);
      socket.on('error', () => other.destroy());
      socket.once('close', (failed) => {
        open.delete(socket);
        connections.give(1);
        if (failed) other.destroy();
      });
      socket.pipe(other);
    }
  });
  server.maxConnections = MOST;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, ipv6Only: host.includes(':') }, () => {
      server.off('error', reject);
      // A connection that the kernel cannot hand over, for want of descriptors, is that client's loss alone.
      server.on('error', () => undefined);
      server.unref();
      resolve({
        aim: (next) => {
          target = next;
        },
        close: () =>
          new Promise((done) => {
            for (const socket of open) socket.destroy();
            server.close(() => done());
          }),
      });
    });
  });
}
