import { parentPort } from 'node:worker_threads';
import { HostResolvers } from '../host-resolvers.ts';
import type { DnsMessage } from './dns-thread.ts';
import { DNS_LIMITS, Shares } from './limits.ts';
import { NameDirectory } from './name-directory.ts';
import { Resolver } from './resolver.ts';

const directory = new NameDirectory();
const hostResolvers = new HostResolvers();
const resolvers = new Map<string, Resolver>();
const shares = {
  connections: new Shares(DNS_LIMITS.connections),
  forwarded: new Shares(DNS_LIMITS.forwarded),
};

parentPort?.on('message', (message: DnsMessage) => {
  switch (message.kind) {
    case 'know':
      directory.put(message.member);
      return;
    case 'open': {
      const { id, sockets } = message;
      resolvers.get(id)?.close();
      const source = { ...directory.namesFor(id), upstream: () => upstreamOf(id) };
      resolvers.set(id, new Resolver(id, sockets, source, shares));
      return;
    }
    case 'forget':
      resolvers.get(message.id)?.close();
      resolvers.delete(message.id);
      directory.remove(message.id);
  }
});

function upstreamOf(id: string): readonly string[] {
  const member = directory.get(id);
  if (member?.hasWayOut !== true) return [];
  return member.servers.length > 0 ? member.servers : hostResolvers.settings().nameservers;
}
