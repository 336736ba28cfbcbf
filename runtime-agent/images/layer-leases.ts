import { KeyedLock } from '../../lib/sync/keyed-lock.ts';
import type { Digest } from '../../oci/digest.ts';
import type { LayerStore } from '../snapshots/layer-store.ts';
import type { LayerBlobs } from './layer-blobs/layer-blobs.ts';

/** Leases of layers: a sweep leaves a layer alone while anyone has a lease of it, also when no image uses it yet. */
export class LayerLeases {
  readonly #layerStore: LayerStore;
  readonly #layerBlobs: Pick<LayerBlobs, 'forget'>;
  readonly #lock = new KeyedLock();
  readonly #leases = new Map<Digest, number>();

  constructor(layerStore: LayerStore, layerBlobs: Pick<LayerBlobs, 'forget'>) {
    this.#layerStore = layerStore;
    this.#layerBlobs = layerBlobs;
  }

  /**
   * Takes a lease of a layer, here or not, and returns whether the layer is here; waits for a removal that has begun. Each `take` needs one
   * `release`.
   */
  async take(diffId: Digest): Promise<boolean> {
    this.#leases.set(diffId, (this.#leases.get(diffId) ?? 0) + 1);
    return await this.#lock.run(diffId, () => this.#layerStore.has(diffId));
  }

  release(diffId: Digest): void {
    const count = (this.#leases.get(diffId) ?? 0) - 1;
    if (count > 0) this.#leases.set(diffId, count);
    else this.#leases.delete(diffId);
  }

  /** Keeps leases of layers, here or not, until `work` has ended. */
  async whileHeld<T>(diffIds: readonly Digest[], work: () => Promise<T>): Promise<T> {
    const held: Digest[] = [];
    try {
      for (const diffId of diffIds) {
        held.push(diffId);
        await this.take(diffId);
      }
      return await work();
    } finally {
      for (const diffId of held) this.release(diffId);
    }
  }

  isHeld(diffId: Digest): boolean {
    return this.#leases.has(diffId);
  }

  /** Removes a layer unless it has a lease, and returns whether it did. The caller knows that no image and no root file system uses it. */
  async removeUnlessHeld(diffId: Digest): Promise<boolean> {
    return await this.unlessHeld(diffId, async () => {
      await this.#layerStore.remove(diffId);
      await this.#layerBlobs.forget(diffId);
    });
  }

  /** Runs `remove` unless the layer has a lease, and returns whether it did; `take` of this layer waits until it ends. */
  async unlessHeld(diffId: Digest, remove: () => Promise<void>): Promise<boolean> {
    return await this.#lock.run(diffId, async () => {
      if (this.#leases.has(diffId)) return false;
      await remove();
      return true;
    });
  }
}
