import type { Digest } from '../../../oci/digest.ts';
import type { LayerStore } from '../../snapshots/layer-store.ts';
import type { BuildProgress, BuildRequest, BuiltSteps } from '../builder.ts';
import type { RemoteStep } from '../cache/remote/cache-document.ts';
import type { ImportedCache, RemoteCaches } from '../cache/remote/remote-cache.ts';
import type { StepCache } from '../cache/step-cache.ts';
import { internalStep } from '../internal-step.ts';
import type { HeldLayers } from './held-layers.ts';
import { layerProgress } from './leave-caches.ts';

export interface SharedCachesOptions {
  readonly remote: RemoteCaches;
  readonly request: Pick<BuildRequest, 'cacheFrom' | 'cacheTo' | 'inlineCache' | 'source'>;
  readonly steps: StepCache;
  readonly layerStore: LayerStore;
  readonly held: HeldLayers;
  readonly progress: (step: BuildProgress) => void;
  readonly signal: AbortSignal;
}

/** A layer of a step was found in a cache but cannot be fetched: the build starts its steps again without it. */
export class LayerLostError extends Error {
  override readonly name = 'LayerLostError';
}

interface AwaitedLayer {
  /** Undefined if this host knew the step, but no known cache has its layer. */
  readonly cache: ImportedCache | undefined;
  readonly diffId: Digest;
  readonly keys: readonly string[];
  readonly step: RemoteStep;
  coming?: Promise<void>;
}

/** The caches that one build reads, and those that it writes. */
export class SharedCaches {
  readonly #options: SharedCachesOptions;
  readonly #imported: ImportedCache[] = [];
  readonly #recorded = new Map<string, RemoteStep>();
  /** Layers of found steps that are not on this host yet. */
  readonly #awaited = new Map<Digest, AwaitedLayer>();
  readonly #lost = new Set<Digest>();

  constructor(options: SharedCachesOptions) {
    this.#options = options;
  }

  /** Opens the requested caches. An unavailable one is reported, and the build continues without it. */
  async open(): Promise<void> {
    const { request, progress, signal, remote } = this.#options;
    await Promise.all(
      request.cacheFrom.map(async (place) => {
        try {
          const name = place.kind === 'folder' ? `local:${place.path}` : place.reference;
          const title = `importing cache manifest from ${name}`;
          const cache = await internalStep(title, progress, () => remote.read(place, request.source, signal));
          this.#imported.push(cache);
        } catch {
          signal.throwIfAborted();
        }
      }),
    );
  }

  /** Finds a step that another host has built. Its layer need not be on this host: see `bring`. */
  async find(keys: readonly string[]): Promise<RemoteStep | undefined> {
    for (const cache of this.#imported) {
      const step = cache.find(keys);
      if (step === undefined) continue;
      const { diffId } = step;
      if (diffId === undefined || (await this.#options.held.take(diffId))) await this.#remember(keys, step);
      else if (this.#lost.has(diffId)) continue;
      else if (!this.#awaited.has(diffId)) this.#awaited.set(diffId, { cache, diffId, keys, step });
      return step;
    }
    return undefined;
  }

  /** Skips a step of which only the layer is missing here. Returns false if that failed before. */
  expect(keys: readonly string[], step: RemoteStep & { readonly diffId: Digest }): boolean {
    const { diffId } = step;
    if (this.#lost.has(diffId)) return false;
    if (!this.#awaited.has(diffId)) this.#awaited.set(diffId, { cache: undefined, diffId, keys, step });
    return true;
  }

  /**
   * Fetches missing layers, concurrently; the build holds them. Throws LayerLostError when one is no longer available:
   * its step is then no longer found, and must be built.
   */
  async bring(chain: readonly Digest[]): Promise<void> {
    await Promise.all(
      chain.map(async (diffId) => {
        const awaited = this.#awaited.get(diffId);
        if (awaited === undefined) return;
        awaited.coming ??= this.#fetch(awaited);
        await awaited.coming;
      }),
    );
  }

  /** Closes the caches at the end; records the found steps even if their layers were not needed. */
  async close(): Promise<void> {
    for (const { cache, keys, step } of this.#awaited.values()) {
      if (cache !== undefined) await this.#remember(keys, step, false);
    }
  }

  /** Records a step of this build, whatever its origin. */
  record(step: RemoteStep): void {
    const { cacheTo, inlineCache } = this.#options.request;
    if (cacheTo.length > 0 || inlineCache) this.#recorded.set(step.keys.join(), step);
  }

  /** Returns the steps for an inline cache: those that made the image's layers. Undefined if it is not requested. */
  inline(chain: readonly Digest[]): readonly RemoteStep[] | undefined {
    return this.#options.request.inlineCache ? this.#stepsOf(chain) : undefined;
  }

  /**
   * Returns the steps for the requested caches, after bringing all their layers here. `chain` are those of the image.
   * Throws LayerLostError as bring() does.
   */
  async built(chain: readonly Digest[]): Promise<BuiltSteps> {
    const { cacheTo } = this.#options.request;
    if (cacheTo.length === 0) return { ofImage: [], all: [] };
    if (cacheTo.some(({ mode }) => mode === 'max')) await this.bring([...this.#awaited.keys()]);
    return { ofImage: this.#stepsOf(chain), all: [...this.#recorded.values()] };
  }

  #stepsOf(chain: readonly Digest[]): readonly RemoteStep[] {
    return [...this.#recorded.values()].filter(
      ({ diffId }) => diffId === undefined || chain.includes(diffId),
    );
  }

  async #fetch({ cache, diffId, keys, step }: AwaitedLayer): Promise<void> {
    const { held, progress, signal } = this.#options;
    try {
      if (cache === undefined) throw new Error('it was never on this host');
      await internalStep(`extracting layer of ${step.description}`, progress, (shown) =>
        cache.fetchLayer(diffId, layerProgress(shown, 'layer'), signal, () => held.claim(diffId)),
      );
    } catch (cause) {
      signal.throwIfAborted();
      this.#lost.add(diffId);
      this.#awaited.delete(diffId);
      throw new LayerLostError(`the layer of ${step.description} is no longer available`, { cause });
    }
    this.#awaited.delete(diffId);
    await this.#remember(keys, step);
  }

  async #remember(keys: readonly string[], step: RemoteStep, isHere = true): Promise<void> {
    const { steps, layerStore } = this.#options;
    const { diffId, description, createdAt } = step;
    const size = diffId === undefined || !isHere ? 0 : await layerStore.contentSize(diffId);
    const [first = '', ...others] = new Set([...keys, ...step.keys]);
    await steps.put([first, ...others], { diffId, description, size, createdAt });
  }
}
