import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import type { Relay, RelayTarget } from './relay.ts';
import type { SocketBudget } from './socket-budget.ts';

/** Milliseconds after which a client that is silent is forgotten, as by Linux's own connection tracking. */
const IDLE = 90_000;
/** Maximum clients of a port, of which the oldest is forgotten first: their addresses may be made up. */
const MAX_CLIENTS = 1024;

interface Client {
  readonly inner: Socket;
  timer: NodeJS.Timeout;
}

/** See openRelay. Each client has a socket of its own towards the container, by which answers find back. */
export function openUdpRelay(host: string, port: number, connections: SocketBudget): Promise<Relay> {
  const family = host.includes(':') ? 'udp6' : 'udp4';
  const outer = createSocket({ type: family, ipv6Only: family === 'udp6' });
  const clients = new Map<string, Client>();
  let target: RelayTarget | undefined;
  const forget = (key: string) => {
    const client = clients.get(key);
    if (client === undefined) return;
    clients.delete(key);
    clearTimeout(client.timer);
    client.inner.close();
    connections.give(1);
  };
  const meet = (key: string, from: RemoteInfo, { address }: RelayTarget): Client | undefined => {
    const isFull = clients.size >= MAX_CLIENTS || connections.taken >= connections.maximum;
    const [oldest] = isFull ? clients.keys() : [];
    if (oldest !== undefined) forget(oldest);
    if (!connections.take(1)) return undefined;
    const inner = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    inner.on('message', (answer) => outer.send(answer, from.port, from.address, () => undefined));
    inner.on('error', () => forget(key));
    const client = { inner, timer: setTimeout(() => forget(key), IDLE).unref() };
    clients.set(key, client);
    return client;
  };
  outer.on('message', (message, from) => {
    if (target === undefined) return;
    const key = `${from.address} ${from.port}`;
    const client = clients.get(key) ?? meet(key, from, target);
    if (client === undefined) return;
    client.timer.refresh();
    client.inner.send(message, target.port, target.address, () => undefined);
  });
  return new Promise((resolve, reject) => {
    outer.once('error', reject);
    outer.bind({ address: host, port, exclusive: true }, () => {
      outer.off('error', reject);
      outer.on('error', () => undefined);
      outer.unref();
      resolve({
        aim: (next) => {
          target = next;
          for (const key of [...clients.keys()]) forget(key);
        },
        close: () =>
          new Promise((done) => {
            for (const key of [...clients.keys()]) forget(key);
            outer.close(() => done());
          }),
      });
    });
  });
}
