import type { Container } from '../containers/container.ts';
import type { ProcessIdentity } from '../linux/proc.ts';
import type { Names } from './dns/answer-query.ts';
import type { Resolver } from './dns/resolver.ts';
import type { ActiveEndpoint, EndpointSettings, PublishedPort } from './network.ts';
import { type ContainerLink, parseLink } from './plan/links.ts';

/** A container that runs, or is being started, in networks of this agent. */
export interface Sandbox {
  readonly id: string;
  name: string;
  container: Container;
  endpoints: readonly ActiveEndpoint[];
  ports: readonly PublishedPort[];
  /** The names by which others find it, by the ID of the network. */
  readonly names: Map<string, readonly string[]>;
  /** The names that it alone has for others, likewise. */
  readonly links: Map<string, readonly ContainerLink[]>;
  resolver: Resolver | undefined;
  /** Settles when what was begun for it has come to its end, well or not. */
  opening: Promise<unknown>;
  /** Its endpoints were told of; only then their end is. */
  connected: boolean;
  /** Its first process, where it has been running since before this agent. */
  readonly adopted?: ProcessIdentity;
}

/** The names that a container has in a network: its own, those that its user gave, and its short ID. */
export function dnsNames(
  container: Pick<Container, 'id' | 'name' | 'config'>,
  aliases: readonly string[] | null,
): readonly string[] {
  return [
    ...new Set([container.name, ...(aliases ?? []), container.id.slice(0, 12), container.config.Hostname]),
  ].filter((name) => name !== '');
}

/** The names that a container alone has for others in a network. */
export function ownLinks(settings: EndpointSettings | undefined): readonly ContainerLink[] {
  return (settings?.links ?? []).map(parseLink);
}

/** What a container can find out about the others: who is in a network with it. */
export function namesFor(
  sandbox: Sandbox,
  sandboxes: Iterable<Sandbox>,
  isNamed: (network: string) => boolean,
): Names {
  const all = [...sandboxes];
  const neighbours = function* () {
    for (const { network } of sandbox.endpoints) {
      if (!isNamed(network.id)) continue;
      for (const other of all) {
        const endpoint = other.endpoints.find((candidate) => candidate.network.id === network.id);
        if (endpoint !== undefined) yield { network, endpoint, names: other.names.get(network.id) ?? [] };
      }
    }
  };
  const find = (name: string, only?: string) => {
    const found = new Map<string, string[]>();
    for (const { network, endpoint, names } of neighbours()) {
      if (only !== undefined && network.id !== only) continue;
      const known = names.some((candidate) => {
        const lower = candidate.toLowerCase();
        return lower === name || `${lower}.${network.name.toLowerCase()}` === name;
      });
      if (known) found.set(network.id, [...(found.get(network.id) ?? []), ...addresses(endpoint)]);
    }
    return found;
  };
  return {
    addressesOf(name) {
      // Its own names for others come before those that everybody knows.
      for (const { network } of sandbox.endpoints) {
        const link = (sandbox.links.get(network.id) ?? []).find(({ alias }) => alias.toLowerCase() === name);
        const linked = link && find(link.target.toLowerCase(), network.id).get(network.id);
        if (linked !== undefined) return shuffled(linked);
      }
      // The first network that knows the name answers, and who asks again gets another order of its containers.
      const [first] = find(name).values();
      return first === undefined ? undefined : shuffled(first);
    },
    nameOf(address) {
      for (const { network, endpoint, names } of neighbours()) {
        if (addresses(endpoint).includes(address)) return `${names[0]}.${network.name}`;
      }
      return undefined;
    },
  };
}

function addresses({ ipv4, ipv6 }: ActiveEndpoint): readonly string[] {
  return [ipv4, ipv6].flatMap((text) => (text === '' ? [] : [text.split('/')[0] ?? '']));
}

function shuffled(list: readonly string[]): readonly string[] {
  return list
    .map((value) => ({ value, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ value }) => value);
}
