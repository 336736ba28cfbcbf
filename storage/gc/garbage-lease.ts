import { randomUUID } from 'node:crypto';
import type { GarbageCatalog, Lease } from '../catalog/garbage-catalog.ts';
import { LeaseLostError } from '../errors.ts';

/** Milliseconds after which a garbage collection that says nothing counts as dead. */
const LEASE_TIME = 5_000;
const RENEW_AFTER = 1_500;

/**
 * The right to collect garbage, which one process has at a time. Two at once would do no harm: it spares work.
 * It goes on being held while `renew` is called every second or two, and after that until somebody else wants it.
 */
export class GarbageLease {
  readonly lease: Lease;
  readonly #catalog: GarbageCatalog;
  #renewedAt: number;

  private constructor(catalog: GarbageCatalog, lease: Lease) {
    this.#catalog = catalog;
    this.lease = lease;
    this.#renewedAt = performance.now();
  }

  /** Undefined while another process collects garbage. */
  static async take(catalog: GarbageCatalog): Promise<GarbageLease | undefined> {
    const lease = { name: 'garbage-collection', holder: randomUUID() };
    return (await catalog.takeLease(lease, LEASE_TIME)) ? new GarbageLease(catalog, lease) : undefined;
  }

  /** Throws LeaseLostError when another process has taken over. */
  async renew(): Promise<void> {
    if (performance.now() - this.#renewedAt < RENEW_AFTER) return;
    if (!(await this.#catalog.takeLease(this.lease, LEASE_TIME))) throw new LeaseLostError(this.lease.name);
    this.#renewedAt = performance.now();
  }

  drop(): Promise<void> {
    return this.#catalog.dropLease(this.lease);
  }
}
