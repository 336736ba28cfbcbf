import { EngineError } from '../../errors.ts';
import type { Network } from '../network.ts';
import type { NetworkTable } from './network-table.ts';

/** The networks of this host, in memory and in the database. */
export class NetworkStore {
  readonly #table: NetworkTable;
  readonly #byId = new Map<string, Network>();

  constructor(table: NetworkTable, networks: readonly Network[]) {
    this.#table = table;
    for (const network of networks) this.#byId.set(network.id, network);
  }

  /** Lists the networks in order of creation. */
  all(): readonly Network[] {
    return [...this.#byId.values()];
  }

  byId(id: string): Network | undefined {
    return this.#byId.get(id);
  }

  /** By ID, name, or prefix of an ID. Throws EngineError 'not-found', 'bad-request'. */
  find(ref: string): Network {
    const exact = this.#byId.get(ref) ?? this.all().find(({ name }) => name === ref);
    if (exact !== undefined) return exact;
    const matches = ref === '' ? [] : this.all().filter(({ id }) => id.startsWith(ref));
    if (matches.length > 1) {
      throw new EngineError(
        'bad-request',
        `network ${ref} is ambiguous (${matches.length} matches found based on ID prefix)`,
      );
    }
    const [match] = matches;
    if (match === undefined) throw new EngineError('not-found', `network ${ref.slice(0, 300)} not found`);
    return match;
  }

  /**
   * Stores a network. It is in memory at once, so that two concurrent networks do not get the same name or subnet; it
   * is removed again if it cannot be stored.
   */
  async put(network: Network): Promise<void> {
    const before = this.#byId.get(network.id);
    this.#byId.set(network.id, network);
    try {
      await this.#table.put(network);
    } catch (error) {
      if (before === undefined) this.#byId.delete(network.id);
      else this.#byId.set(network.id, before);
      throw error;
    }
  }

  /** Hides a network, though it stays in the database until `delete`; `put` brings it back. */
  withdraw(id: string): void {
    this.#byId.delete(id);
  }

  async delete(id: string): Promise<void> {
    await this.#table.delete(id);
    this.#byId.delete(id);
  }
}
