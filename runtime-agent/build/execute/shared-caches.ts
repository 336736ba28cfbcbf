import type { Digest } from '../../../storage/oci/digest.ts';
import { shortDigest } from '../../images/pull-plan.ts';
import { readReference } from '../../images/read-reference.ts';
import type { Snapshotter } from '../../snapshots/snapshotter.ts';
import type { BuildProgress, BuildRequest } from '../builder.ts';
import type { RemoteStep } from '../cache/remote/cache-document.ts';
import type { ImportedCache, RemoteCaches } from '../cache/remote/remote-cache.ts';
import type { StepCache } from '../cache/step-cache.ts';
import { type InternalStep, internalStep } from '../internal-step.ts';
import type { HeldLayers } from './held-layers.ts';

export interface SharedCachesOptions {
  readonly remote: RemoteCaches;
  readonly request: Pick<BuildRequest, 'cacheFrom' | 'cacheTo' | 'inlineCache' | 'source'>;
  readonly steps: StepCache;
  readonly snapshotter: Snapshotter;
  readonly held: HeldLayers;
  readonly progress: (step: BuildProgress) => void;
  readonly signal: AbortSignal;
}

/** The caches that one build shares with other hosts: those that it takes steps from, and those that it leaves its steps in. */
export class SharedCaches {
  readonly #options: SharedCachesOptions;
  readonly #imported: ImportedCache[] = [];
  readonly #recorded = new Map<string, RemoteStep>();

  constructor(options: SharedCachesOptions) {
    this.#options = options;
  }

  /** Reads the caches that are asked for. One that cannot be had is told of, and the build goes on without it. */
  async open(): Promise<void> {
    const { request, progress, signal, remote } = this.#options;
    await Promise.all(
      request.cacheFrom.map(async (reference) => {
        try {
          const title = `importing cache manifest from ${reference}`;
          const cache = await internalStep(title, progress, async () =>
            remote.read(reference, await this.#credentials(reference), signal),
          );
          this.#imported.push(cache);
        } catch {
          signal.throwIfAborted();
        }
      }),
    );
  }

  /** A step that another host has built, its layer brought here and kept by the build. */
  async find(keys: readonly string[]): Promise<RemoteStep | undefined> {
    for (const cache of this.#imported) {
      const step = cache.find(keys);
      if (step === undefined) continue;
      if (step.diffId !== undefined && !(await this.#fetch(cache, step.diffId, step.description))) continue;
      await this.#remember(keys, step);
      return step;
    }
    return undefined;
  }

  /** A step of this build, wherever it came from. */
  record(step: RemoteStep): void {
    const { cacheTo, inlineCache } = this.#options.request;
    if (cacheTo.length > 0 || inlineCache) this.#recorded.set(step.keys.join(), step);
  }

  /** What the image itself is to hold: the steps that made its layers. Undefined where that is not asked for. */
  inline(chain: readonly Digest[]): readonly RemoteStep[] | undefined {
    return this.#options.request.inlineCache ? this.#stepsOf(chain) : undefined;
  }

  /** Writes the caches that are asked for. `chain` are the layers of the image: a cache of the mode `min` has no others. */
  async save(chain: readonly Digest[]): Promise<void> {
    const { request, remote, progress, signal } = this.#options;
    for (const { reference, mode } of request.cacheTo) {
      const steps = mode === 'max' ? [...this.#recorded.values()] : this.#stepsOf(chain);
      await internalStep(`exporting cache to ${reference}`, progress, async (step) =>
        remote.write(
          reference,
          await this.#credentials(reference),
          steps,
          told(step, 'writing layer'),
          signal,
        ),
      );
    }
  }

  #stepsOf(chain: readonly Digest[]): readonly RemoteStep[] {
    return [...this.#recorded.values()].filter(
      ({ diffId }) => diffId === undefined || chain.includes(diffId),
    );
  }

  /** False where it cannot be had any more: the step is built then. */
  async #fetch(cache: ImportedCache, diffId: Digest, description: string): Promise<boolean> {
    const { held, progress, signal } = this.#options;
    if (await held.take(diffId)) return true;
    try {
      await internalStep(`extracting layer of ${description}`, progress, (step) =>
        cache.fetchLayer(diffId, told(step, 'layer'), signal, () => held.claim(diffId)),
      );
      return true;
    } catch {
      signal.throwIfAborted();
      return false;
    }
  }

  async #remember(keys: readonly string[], step: RemoteStep): Promise<void> {
    const { steps, snapshotter } = this.#options;
    const { diffId, description, createdAt } = step;
    const size = diffId === undefined ? 0 : await snapshotter.layerSize(diffId);
    const [first = '', ...others] = new Set([...keys, ...step.keys]);
    await steps.put([first, ...others], { diffId, description, size, createdAt });
  }

  async #credentials(reference: string) {
    const { source } = this.#options.request;
    return await source.credentials(readReference(reference).registry, this.#options.signal);
  }
}

function told(step: InternalStep, what: string) {
  return (diffId: Digest, current: number) => step.transferred(`${what} ${shortDigest(diffId)}`, current);
}
