import { randomUUID } from 'node:crypto';
import type { GarbageCatalog } from '../../storage/catalog/garbage-catalog.ts';

/**
 * A task that one of several registries on one catalog does for all. Another registry takes over when the holder has
 * ended, or has not called `take` for `leaseMs`.
 */
export class SharedDuty {
  readonly #leases: Pick<GarbageCatalog, 'takeLease' | 'dropLease'>;
  readonly #lease: { readonly name: string; readonly holder: string };
  readonly #leaseMs: number;

  constructor(leases: Pick<GarbageCatalog, 'takeLease' | 'dropLease'>, name: string, leaseMs: number) {
    this.#leases = leases;
    this.#lease = { name, holder: randomUUID() };
    this.#leaseMs = leaseMs;
  }

  /** Returns whether this registry has the task. */
  take(): Promise<boolean> {
    return this.#leases.takeLease(this.#lease, this.#leaseMs);
  }

  drop(): Promise<void> {
    return this.#leases.dropLease(this.#lease);
  }
}
