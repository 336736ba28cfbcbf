/** A quota as a transaction sees it; ids are the catalog's. */
interface Granted {
  readonly id: number;
  /** The grants of it that are there. */
  readonly grants: readonly number[];
}

/** Bytes of a quota that are set aside for those who push here. */
export interface QuotaGrant {
  readonly id: number;
  readonly bytes: number;
}

interface OwnGrant extends QuotaGrant {
  /** Bytes. */
  left: number;
  /** When it was granted, in milliseconds. */
  readonly since: number;
}

/** What one push makes of grants. */
export interface GrantUse {
  /** Whether so many bytes more are surely allowed. Never waits. */
  take(quota: Granted, size: number): boolean;
}

/** Where grants are kept for all processes to see. */
export interface GrantStore {
  /** Another grant in place of the one that this process has; undefined when too little is left of the quota. */
  renew(quotaId: number): Promise<QuotaGrant | undefined>;
  /** Called now and then while much is pushed. */
  tidy(): Promise<void>;
}

/** The part of what is left that one process gets, and the least that is worth it. */
const SHARE = 1 / 4;
const LEAST = 16 * 1024 * 1024;
/** The part of a grant below which another one is asked for. */
const LOW = 1 / 4;
/** Milliseconds before it is asked again when there was none. */
const ASKED_AGAIN = 1000;
/** Pushes between two times of tidying. */
const TIDIED_EVERY = 256;

/** Bytes of a grant where `free` bytes of a quota are neither used nor granted; 0: none. */
export function shareOf(free: number): number {
  const bytes = Math.floor(free * SHARE);
  return bytes >= LEAST ? bytes : 0;
}

/**
 * Tells who need not look at how much of a quota is used: transactions that look at it and add to it keep each other from
 * committing. What is used and what is granted are never more than the quota together, and whoever uses a grant
 * has seen in the same transaction that it is still there: who needs what is granted to others takes it back by deleting
 * the grant, and one of the two then fails to commit and is run again. So nothing depends on clocks, or on processes
 * that have ended.
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

  /** For one push: what it takes counts once, however often its transaction is run again. */
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
        // What a transaction has made others write may keep it from committing: never more than once.
        if (asks && !asked.has(id)) {
          asked.add(id);
          this.#ask(id);
        }
        return covered !== undefined;
      },
    };
  }

  /** The id of the grant that covers so many bytes more, and whether another one is wanted. */
  #take(
    { id, grants }: Granted,
    size: number,
  ): { readonly covered: number | undefined; readonly asks: boolean } {
    this.#count += 1;
    if (this.#count % TIDIED_EVERY === 0) void this.#store.tidy().catch(() => undefined);
    const own = this.#own.get(id);
    if (own === undefined || !grants.includes(own.id)) {
      // Two processes to which little is left would take theirs back from each other with each push.
      const isFresh = own !== undefined && this.#now() - own.since < ASKED_AGAIN;
      return { covered: undefined, asks: !isFresh };
    }
    const covered = size <= own.left;
    if (covered) own.left -= size;
    // What no grant covers asks for none: renewing one keeps the transaction that looks from committing, each time.
    const asks = own.left < own.bytes * LOW || (!covered && size <= own.bytes);
    return { covered: covered ? own.id : undefined, asks };
  }

  /** A failure only means that everybody looks. */
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
