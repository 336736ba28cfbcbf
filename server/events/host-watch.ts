import { type HostState, hostState } from '../../fleet/host.ts';
import type { HostStore } from '../../fleet/host-store.ts';
import type { FeedEvent } from './feed-event.ts';

/** Maximum hosts that are named at once: when a replica stops, all its hosts change state together. */
const MOST_NAMED = 50;

/** An event that exactly the readers of hosts may see. */
export const OF_HOSTS: FeedEvent = hostEvent('states');

/**
 * Detects changes of host states. The database has the state of every host, whichever replica it is connected to, so
 * each replica sees all changes; a silent host changes its state without a write.
 */
export class HostWatch {
  readonly #hosts: Pick<HostStore, 'presence'>;
  #known: ReadonlyMap<string, HostState> | undefined;

  constructor(hosts: Pick<HostStore, 'presence'>) {
    this.#hosts = hosts;
  }

  /** Reads the initial states for `changes`, unless they are known. Returns whether there are hosts. */
  async begin(): Promise<boolean> {
    const known = this.#known ?? (await this.#read()).states;
    this.#known ??= known;
    return known.size > 0;
  }

  /** Forgets the states when there are no readers. */
  forget(): void {
    this.#known = undefined;
  }

  /** Returns the changes since the last call: an event for each host, or one without a name for many. */
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
      // Draining is started by a person, and is a separate event.
      states.set(host.id, hostState({ ...host, draining: false }, now));
    }
    return { names, states };
  }
}

function hostEvent(change: HostState | 'states', host?: string): FeedEvent {
  const data = { at: new Date().toISOString(), ...(host !== undefined && { host }), change };
  return { name: 'host', audience: { kind: 'hosts' }, data };
}
