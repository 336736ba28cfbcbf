import type { Images } from '../../images/images.ts';
import { type BuildCache, type CachePruning, type CacheRecord, prunable } from '../build-cache.ts';
import type { StepCache } from './step-cache.ts';

export interface StepRecordsOptions {
  readonly steps: StepCache;
  readonly images: Images;
  /** Deletes unreferenced layers. */
  readonly sweep: () => Promise<void>;
}

/** The layers of earlier steps, as `docker builder prune` and `docker system df` see them. */
export class StepRecords implements BuildCache {
  readonly #options: StepRecordsOptions;

  constructor(options: StepRecordsOptions) {
    this.#options = options;
  }

  async records(): Promise<readonly CacheRecord[]> {
    const { steps, images } = this.#options;
    const ofImages = new Set((await images.list()).flatMap(({ diffIds }) => diffIds));
    return (await steps.list()).map((step) => ({
      id: step.key,
      type: 'regular',
      description: step.description,
      size: step.size,
      createdAt: new Date(step.createdAt),
      lastUsedAt: new Date(step.lastUsedAt),
      usageCount: step.uses,
      // A build that uses a layer holds the layer itself.
      inUse: false,
      shared: step.diffId !== undefined && ofImages.has(step.diffId),
    }));
  }

  async prune(pruning: CachePruning): Promise<readonly CacheRecord[]> {
    if (pruning.all && pruning.keepBytes === 0 && pruning.usedBefore === undefined) {
      await this.#options.steps.config.clear();
    }
    const removed = prunable(await this.records(), pruning);
    if (removed.length === 0) return removed;
    await this.#options.steps.remove(removed.map(({ id }) => id));
    await this.#options.sweep();
    return removed;
  }
}
