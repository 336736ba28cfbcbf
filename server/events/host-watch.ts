import { type HostState, hostState } from '../../fleet/host.ts';
import type { HostStore } from '../../fleet/host-store.ts';
import type { FeedEvent } from './feed-event.ts';

/** Hosts that are named at once: when a replica stops, all of its hosts change state together. */
const MOST_NAMED = 50;

/** An event that exactly the readers of hosts may see. */
export const OF_HOSTS: FeedEvent = hostEvent('states');

/**
 * Finds out which hosts come and go. The database has the state of every host, whichever replica it is connected to, so each
 * replica finds all changes, and a host that falls silent changes its state without a write.
 */
export class HostWatch {
  readonly #hosts: Pick<HostStore, 'presence'>;
  #known: ReadonlyMap<string, HostState> | undefined;

  constructor(hosts: Pick<HostStore, 'presence'>) {
    this.#hosts = hosts;
  }

  /** Reads the states from which `changes` goes on, unless they are known. Returns whether there are hosts. */
  async begin(): Promise<boolean> {
    const known = this.#known ?? (await this.#read()).states;
    this.#known ??= known;
    return known.size > 0;
  }

  /** Forgets the states: nobody wants to know of changes. */
  forget(): void {
    this.#known = undefined;
  }

  /** Returns what has changed since the look before: an event for each host, or one without a name for many of them. */
  async changes(): Promise<readonly FeedEvent[]> {
    const { names, states } = await this.#read();
    const before = this.#known ?? states;
    this.#known = states;
    const changed = [...states].filter(([id, state]) => state !== (before.get(id) ?? 'unknown'));
    if (changed.length > MOST_NAMED) return [hostEvent('states')];
    return changed.map(([id, state]) => hostEvent(state, names.get(id)));
  }

  async #read() {
    const names = new Map<string, string>();
    const states = new Map<string, HostState>();
    const now = Date.now();
    for (const host of await this.#hosts.presence()) {
      names.set(host.id, host.name);
      // That it drains is a change that somebody makes, and an event of its own.
      states.set(host.id, hostState({ ...host, draining: false }, now));
    }
    return { names, states };
  }
}

function hostEvent(change: HostState | 'states', host?: string): FeedEvent {
  const data = { at: new Date().toISOString(), ...(host !== undefined && { host }), change };
  return { name: 'host', audience: { kind: 'hosts' }, data };
}
