import type { LayerBlobs } from '../../images/layer-blobs/layer-blobs.ts';
import type { LayerLeases } from '../../images/layer-fetcher.ts';
import { shortDigest } from '../../images/resolve-image.ts';
import { type BuildCache, type CachePruning, type CacheRecord, prunable } from '../build-cache.ts';

/**
 * The compressed forms of layers that this host has made for registries and archives, as `docker builder prune` and
 * `docker system df` show them. They are made again on demand.
 */
export class CompressedLayers implements BuildCache {
  readonly #layerBlobs: Pick<LayerBlobs, 'made' | 'discard'>;
  readonly #leases: Pick<LayerLeases, 'isHeld' | 'unlessHeld'>;

  constructor(
    layerBlobs: Pick<LayerBlobs, 'made' | 'discard'>,
    leases: Pick<LayerLeases, 'isHeld' | 'unlessHeld'>,
  ) {
    this.#layerBlobs = layerBlobs;
    this.#leases = leases;
  }

  async records(): Promise<readonly CacheRecord[]> {
    return (await this.#found()).map(({ record }) => record);
  }

  async prune(pruning: CachePruning): Promise<readonly CacheRecord[]> {
    const found = await this.#found();
    const wanted = new Set(
      prunable(
        found.map(({ record }) => record),
        pruning,
      ),
    );
    const removed: CacheRecord[] = [];
    for (const { record, form } of found) {
      if (!wanted.has(record)) continue;
      // A push or a build may have begun to use it.
      const discard = () => this.#layerBlobs.discard(form.blob.digest);
      if (await this.#leases.unlessHeld(form.diffId, discard)) removed.push(record);
    }
    return removed;
  }

  async #found() {
    return (await this.#layerBlobs.made()).map((form) => {
      const { diffId, blob, madeAt, seenAt } = form;
      const record: CacheRecord = {
        id: blob.digest.slice(blob.digest.indexOf(':') + 1),
        type: 'regular',
        description: `compressed layer ${shortDigest(diffId)}`,
        size: blob.size,
        createdAt: new Date(madeAt),
        lastUsedAt: new Date(seenAt),
        usageCount: 1,
        inUse: this.#leases.isHeld(diffId),
        shared: false,
      };
      return { record, form };
    });
  }
}
