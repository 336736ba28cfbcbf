import { KeyedLock } from '../../lib/sync/keyed-lock.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Snapshotter } from '../snapshots/snapshotter.ts';
import type { LayerBlobs } from './layer-blobs/layer-blobs.ts';

/** Layers that no image has yet and that somebody is about to use: a sweep leaves them. */
export class LayerHolds {
  readonly #snapshotter: Snapshotter;
  readonly #layerBlobs: Pick<LayerBlobs, 'forget'>;
  readonly #lock = new KeyedLock();
  readonly #holds = new Map<Digest, number>();

  constructor(snapshotter: Snapshotter, layerBlobs: Pick<LayerBlobs, 'forget'>) {
    this.#snapshotter = snapshotter;
    this.#layerBlobs = layerBlobs;
  }

  /**
   * Keeps a layer until as many calls of `release`, and tells whether it is here: a removal that has begun is waited for.
   */
  async take(diffId: Digest): Promise<boolean> {
    this.#holds.set(diffId, (this.#holds.get(diffId) ?? 0) + 1);
    return await this.#lock.run(diffId, () => this.#snapshotter.hasLayer(diffId));
  }

  release(diffId: Digest): void {
    const holds = (this.#holds.get(diffId) ?? 0) - 1;
    if (holds > 0) this.#holds.set(diffId, holds);
    else this.#holds.delete(diffId);
  }

  /** Keeps layers, here or not, until `work` has ended. */
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
    return this.#holds.has(diffId);
  }

  /** Removes a layer unless it is held, and answers whether it did. The caller knows that no image and no root file system uses it. */
  async removeUnlessHeld(diffId: Digest): Promise<boolean> {
    return await this.unlessHeld(diffId, async () => {
      await this.#snapshotter.removeLayer(diffId);
      await this.#layerBlobs.forget(diffId);
    });
  }

  /** Takes something of a layer away unless it is held, and answers whether it did; who wants to hold it waits for that. */
  async unlessHeld(diffId: Digest, remove: () => Promise<void>): Promise<boolean> {
    return await this.#lock.run(diffId, async () => {
      if (this.#holds.has(diffId)) return false;
      await remove();
      return true;
    });
  }
}
