import { randomUUID } from 'node:crypto';
import type { GarbageCatalog, Lease } from '../catalog/garbage-catalog.ts';
import { LeaseLostError } from '../errors.ts';

/** Milliseconds without a renewal after which a garbage collection counts as dead. */
const LEASE_TIME = 5_000;
const RENEW_AFTER = 1_500;

/**
 * The lease for collecting garbage, held by one process at a time. Two concurrent collections would be harmless: it
 * saves work. The holder calls `renew` every second or two; otherwise another process may take the lease.
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

  /** Returns undefined while another process collects garbage. */
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
