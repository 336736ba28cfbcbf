/** A quota as seen by a transaction; ids are the catalog's. */
interface Granted {
  readonly id: number;
  /** Existing grants of the quota. */
  readonly grants: readonly number[];
}

/** Bytes of a quota that are reserved for the pushes of this process. */
export interface QuotaGrant {
  readonly id: number;
  readonly bytes: number;
}

interface OwnGrant extends QuotaGrant {
  /** Remaining bytes. */
  left: number;
  /** Time of the grant, in milliseconds. */
  readonly since: number;
}

/** The use of grants by one push. */
export interface GrantUse {
  /** Reports whether this many more bytes are certainly allowed. Never waits. */
  take(quota: Granted, size: number): boolean;
}

/** Stores grants, visible to all processes. */
export interface GrantStore {
  /** Replaces this process's grant; returns undefined when too little of the quota is left. */
  renew(quotaId: number): Promise<QuotaGrant | undefined>;
  /** Called occasionally while much is pushed. */
  tidy(): Promise<void>;
}

/** The fraction of the free bytes that one process gets, and the minimum grant. */
const SHARE = 1 / 4;
const LEAST = 16 * 1024 * 1024;
/** The fraction of a grant below which a new one is requested. */
const LOW = 1 / 4;
/** Milliseconds before another request after a failed one. */
const ASKED_AGAIN = 1000;
/** Pushes between two calls of tidy. */
const TIDIED_EVERY = 256;

/** Returns the bytes of a grant when `free` bytes of a quota are neither used nor granted; 0 for no grant. */
export function shareOf(free: number): number {
  const bytes = Math.floor(free * SHARE);
  return bytes >= LEAST ? bytes : 0;
}

/**
 * Decides which transactions may skip checking the use of a quota: transactions that both read and add to it would
 * conflict. Used and granted bytes together never exceed the quota, and a transaction that uses a grant has checked
 * that the grant still exists: a process that needs bytes granted to others deletes the grant, and one of the two
 * transactions then fails to commit and is repeated. So correctness depends neither on clocks nor on ended processes.
 */
export class QuotaGrants {
  readonly #store: GrantStore;
  readonly #now: () => number;
  readonly #own = new Map<number, OwnGrant>();
  readonly #asking = new Set<number>();
  readonly #askedAt = new Map<number, number>();
  #count = 0;

  constructor(store: GrantStore, now: () => number = () => performance.now()) {
    this.#store = store;
    this.#now = now;
  }

  /** Starts one push: its bytes count once, however often its transaction is repeated. */
  begin(): GrantUse {
    const taken = new Map<number, { readonly from: number; readonly bytes: number }>();
    const asked = new Set<number>();
    return {
      take: (quota, size) => {
        const { id } = quota;
        const before = taken.get(id);
        taken.delete(id);
        const own = this.#own.get(id);
        if (own !== undefined && own.id === before?.from) own.left += before.bytes;
        const { covered, asks } = this.#take(quota, size);
        if (covered !== undefined) taken.set(id, { from: covered, bytes: size });
        // Writes that a transaction has caused may conflict with its commit, so it asks at most once.
        if (asks && !asked.has(id)) {
          asked.add(id);
          this.#ask(id);
        }
        return covered !== undefined;
      },
    };
  }

  /** Returns the id of the grant that covers this many more bytes, and whether another one is needed. */
  #take(
    { id, grants }: Granted,
    size: number,
  ): { readonly covered: number | undefined; readonly asks: boolean } {
    this.#count += 1;
    if (this.#count % TIDIED_EVERY === 0) void this.#store.tidy().catch(() => undefined);
    const own = this.#own.get(id);
    if (own === undefined || !grants.includes(own.id)) {
      // Otherwise two processes would take the last bytes from each other with each push.
      const isFresh = own !== undefined && this.#now() - own.since < ASKED_AGAIN;
      return { covered: undefined, asks: !isFresh };
    }
    const covered = size <= own.left;
    if (covered) own.left -= size;
    // A push that no grant covers requests none: renewing one would make the checking transaction fail each time.
    const asks = own.left < own.bytes * LOW || (!covered && size <= own.bytes);
    return { covered: covered ? own.id : undefined, asks };
  }

  /** Requests a grant; a failure only means that every push checks the quota. */
  #ask(quotaId: number): void {
    const askedAt = this.#askedAt.get(quotaId);
    if (this.#asking.has(quotaId) || (askedAt !== undefined && this.#now() - askedAt < ASKED_AGAIN)) return;
    this.#asking.add(quotaId);
    this.#store
      .renew(quotaId)
      .then((grant) => {
        if (grant === undefined) this.#own.delete(quotaId);
        else this.#own.set(quotaId, { ...grant, left: grant.bytes, since: this.#now() });
        if (grant === undefined) this.#askedAt.set(quotaId, this.#now());
      })
      .catch(() => this.#askedAt.set(quotaId, this.#now()))
      .finally(() => this.#asking.delete(quotaId));
  }
}
