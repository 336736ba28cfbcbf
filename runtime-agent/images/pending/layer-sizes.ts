import type { Digest } from '../../../oci/digest.ts';
import type { Snapshotter } from '../../snapshots/snapshotter.ts';

/** Bytes of one layer: of its tar, and of the files in it. */
export interface LayerSize {
  readonly tar: number;
  readonly layer: number;
}

/** Layers whose sizes are kept in memory. */
const KEPT = 2000;

/** The sizes of layers, which are on the disk and stay what they are. */
export class LayerSizes {
  readonly #snapshotter: Snapshotter;
  readonly #known = new Map<Digest, LayerSize>();

  constructor(snapshotter: Snapshotter) {
    this.#snapshotter = snapshotter;
  }

  /** Of a layer that is here. Throws EngineError 'not-found'. */
  async get(diffId: Digest): Promise<LayerSize> {
    const known = this.#known.get(diffId);
    if (known !== undefined) return known;
    const [tar, layer] = await Promise.all([
      this.#snapshotter.tarSize(diffId),
      this.#snapshotter.layerSize(diffId),
    ]);
    if (this.#known.size >= KEPT) this.#known.clear();
    this.#known.set(diffId, { tar, layer });
    return { tar, layer };
  }
}
