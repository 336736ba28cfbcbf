import type { Digest } from '../../../oci/digest.ts';
import type { LayerLeases } from '../../images/layer-fetcher.ts';

/** The layers that one build protects from sweeps until it ends. */
export class HeldLayers {
  readonly #leases: LayerLeases;
  readonly #held = new Set<Digest>();

  constructor(leases: LayerLeases) {
    this.#leases = leases;
  }

  /** Holds a layer, and returns whether it is here. */
  async take(diffId: Digest): Promise<boolean> {
    if (this.#held.has(diffId)) return true;
    const isHere = await this.#leases.take(diffId);
    if (isHere && !this.#held.has(diffId)) this.#held.add(diffId);
    else this.#leases.release(diffId);
    return isHere;
  }

  /** Holds a layer that is about to arrive. */
  async claim(diffId: Digest): Promise<void> {
    if (this.#held.has(diffId)) return;
    this.#held.add(diffId);
    await this.#leases.take(diffId);
  }

  release(): void {
    for (const diffId of this.#held) this.#leases.release(diffId);
    this.#held.clear();
  }
}
