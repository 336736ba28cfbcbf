/** What a quota allows; `id` is the catalog's. */
interface Bounded {
  readonly id: number;
  readonly bytes: number;
}

/** Milliseconds for which what was read counts, and after which it is read anew. */
const FRESH = 10_000;
const RENEWED_AFTER = 1000;
/** Of a quota: what must be left, beyond what is asked for, by whom it is not looked at more closely. */
const MARGIN = 1 / 4;
const SMALLEST_MARGIN = 256 * 1024 * 1024;

/**
 * Tells who is so far below a quota that nobody needs to look: transactions that look at what is used and add to it
 * keep each other from committing. What others have added since it was read is not known here, and the margin is for that:
 * a quota is exceeded only when, of a quarter of it, more is added elsewhere within ten seconds. Near the bound every
 * transaction looks.
 */
export class QuotaHeadroom {
  readonly #read: () => Promise<ReadonlyMap<number, number>>;
  readonly #now: () => number;
  #known: { readonly at: number; readonly used: ReadonlyMap<number, number> } | undefined;
  /** Bytes by quota that were taken here since what is known was asked for. */
  #taken = new Map<number, number>();
  #reading = false;

  /** `read` gives the bytes in use by quota; a failure of it only means that everybody looks. */
  constructor(read: () => Promise<ReadonlyMap<number, number>>, now: () => number = () => performance.now()) {
    this.#read = read;
    this.#now = now;
  }

  /** Whether so many bytes more are surely allowed; they are counted then. Never waits. */
  take({ id, bytes }: Bounded, size: number): boolean {
    const now = this.#now();
    const known = this.#known;
    if (known === undefined || now - known.at > RENEWED_AFTER) this.#renew(now);
    const used = known?.used.get(id);
    if (known === undefined || used === undefined || now - known.at > FRESH) return false;
    const taken = this.#taken.get(id) ?? 0;
    if (used + taken + size + Math.max(bytes * MARGIN, SMALLEST_MARGIN) > bytes) return false;
    this.#taken.set(id, taken + size);
    return true;
  }

  #renew(at: number): void {
    if (this.#reading) return;
    this.#reading = true;
    const before = this.#taken;
    // What is taken while it is read may or may not be in it.
    const since = new Map<number, number>();
    this.#taken = new Map(before);
    const counting = this.#taken;
    this.#read()
      .then((used) => {
        for (const [id, taken] of counting) since.set(id, taken - (before.get(id) ?? 0));
        this.#known = { at, used };
        this.#taken = since;
      })
      .catch(() => undefined)
      .finally(() => {
        this.#reading = false;
      });
  }
}
