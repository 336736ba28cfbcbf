import type { ContainerLink } from '../plan/links.ts';
import type { Names } from './answer-query.ts';

/** A running container as the resolvers know it. */
export interface DnsMember {
  readonly id: string;
  readonly places: readonly DnsPlace[];
  /** Servers for other names from the client's request; if empty, those of the host. */
  readonly servers: readonly string[];
  /** Whether other names can be resolved; otherwise they are answered with a failure. */
  readonly hasWayOut: boolean;
}

/** A container in one network. */
export interface DnsPlace {
  readonly network: { readonly id: string; readonly name: string };
  /** Whether containers of the network can resolve each other's names; on the network `bridge` they cannot. */
  readonly isNamed: boolean;
  /**
   * Whether it is ready. If several containers have one name, others find the ready ones; if none is ready, all. A
   * container always finds itself.
   */
  readonly isReady: boolean;
  readonly addresses: readonly string[];
  /** Names for other containers. */
  readonly names: readonly string[];
  /** Names for others that only this container has. */
  readonly links: readonly ContainerLink[];
}

/** The containers of one network, indexed for queries. */
interface NetworkNames {
  /** By lower-case name, with and without the network's name appended: the places with that name. */
  readonly places: Map<string, Map<DnsMember, DnsPlace>>;
  readonly names: Map<string, string>;
}

/** The names of all running containers. A container can resolve those that share a network with it. */
export class NameDirectory {
  readonly #members = new Map<string, DnsMember>();
  readonly #networks = new Map<string, NetworkNames>();

  get(id: string): DnsMember | undefined {
    return this.#members.get(id);
  }

  /** Adds a container, or replaces it. */
  put(member: DnsMember): void {
    this.remove(member.id);
    this.#members.set(member.id, member);
    for (const place of member.places) {
      if (!place.isNamed) continue;
      const { places, names } = this.#network(place.network.id);
      for (const name of spellings(place)) {
        const found = places.get(name) ?? new Map<DnsMember, DnsPlace>();
        found.set(member, place);
        places.set(name, found);
      }
      for (const address of place.addresses) names.set(address, `${place.names[0]}.${place.network.name}`);
    }
  }

  remove(id: string): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    this.#members.delete(id);
    for (const place of member.places) {
      const known = this.#networks.get(place.network.id);
      if (known === undefined) continue;
      for (const name of spellings(place)) {
        const found = known.places.get(name);
        found?.delete(member);
        if (found?.size === 0) known.places.delete(name);
      }
      for (const address of place.addresses) known.names.delete(address);
      if (known.places.size === 0) this.#networks.delete(place.network.id);
    }
  }

  /** Names that a container can resolve. */
  namesFor(id: string): Names {
    const places = () => (this.#members.get(id)?.places ?? []).filter(({ isNamed }) => isNamed);
    const find = (network: string, name: string) => {
      const found = this.#networks.get(network)?.places.get(name);
      if (found === undefined) return undefined;
      const all = [...found];
      const ready = all.filter(([, { isReady }]) => isReady);
      const shown =
        ready.length === 0 ? all : all.filter(([member, { isReady }]) => isReady || member.id === id);
      return shown.flatMap(([, { addresses }]) => addresses);
    };
    return {
      addressesOf(name) {
        // Its links take precedence over names that all containers know.
        for (const { network, links } of places()) {
          const link = links.find(({ alias }) => alias.toLowerCase() === name);
          const linked = link && find(network.id, link.target.toLowerCase());
          if (linked !== undefined) return shuffled(linked);
        }
        // The first network that knows the name answers; repeated queries get its containers in another order.
        for (const { network } of places()) {
          const found = find(network.id, name);
          if (found !== undefined) return shuffled(found);
        }
        return undefined;
      },
      nameOf: (address) => {
        for (const { network } of places()) {
          const name = this.#networks.get(network.id)?.names.get(address);
          if (name !== undefined) return name;
        }
        return undefined;
      },
    };
  }

  #network(id: string): NetworkNames {
    const known = this.#networks.get(id) ?? { places: new Map(), names: new Map() };
    this.#networks.set(id, known);
    return known;
  }
}

function spellings({ names, network }: DnsPlace): readonly string[] {
  return names
    .map((name) => name.toLowerCase())
    .flatMap((name) => [name, `${name}.${network.name.toLowerCase()}`]);
}

function shuffled(list: readonly string[]): readonly string[] {
  return list
    .map((value) => ({ value, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ value }) => value);
}
