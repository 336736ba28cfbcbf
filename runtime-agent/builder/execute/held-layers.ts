import type { Digest } from '../../../oci/digest.ts';
import type { LayerHolds } from '../../images/layer-holds.ts';

/** The layers that one build keeps from sweeps until it ends. */
export class HeldLayers {
  readonly #holds: LayerHolds;
  readonly #held = new Set<Digest>();

  constructor(holds: LayerHolds) {
    this.#holds = holds;
  }

  /** Keeps a layer, and tells whether it is here. */
  async take(diffId: Digest): Promise<boolean> {
    if (this.#held.has(diffId)) return true;
    const isHere = await this.#holds.take(diffId);
    if (isHere && !this.#held.has(diffId)) this.#held.add(diffId);
    else this.#holds.release(diffId);
    return isHere;
  }

  /** Keeps a layer that is about to come. */
  async claim(diffId: Digest): Promise<void> {
    if (this.#held.has(diffId)) return;
    this.#held.add(diffId);
    await this.#holds.take(diffId);
  }

  release(): void {
    for (const diffId of this.#held) this.#holds.release(diffId);
    this.#held.clear();
  }
}
