const MOST_ACCOUNTS = 10_000;
/** Maximum networks per account, so that one account does not evict the networks of others. */
const MOST_NETWORKS = 64;

/** The networks from which accounts have logged in, since the process started. The least recently used go first. */
export class FamiliarAddresses {
  readonly #accounts = new Map<string, Set<string>>();

  has(account: string, network: string): boolean {
    return this.#accounts.get(account)?.has(network) ?? false;
  }

  add(account: string, network: string): void {
    const networks = this.#accounts.get(account) ?? new Set();
    moveToEnd(networks, network);
    if (networks.size > MOST_NETWORKS) networks.delete(networks.values().next().value ?? '');
    this.#accounts.delete(account);
    this.#accounts.set(account, networks);
    if (this.#accounts.size > MOST_ACCOUNTS) this.#accounts.delete(this.#accounts.keys().next().value ?? '');
  }
}

function moveToEnd(names: Set<string>, name: string): void {
  names.delete(name);
  names.add(name);
}
