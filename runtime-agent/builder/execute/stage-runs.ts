import type { Digest } from '../../../oci/digest.ts';
import type { ImageConfig, ImageConfigHistory } from '../../../oci/image-config.ts';
import type { Platform } from '../../images/image.ts';
import { hostPlatform } from '../../images/platform.ts';
import type { BuildProgress, BuildRequest } from '../builder.ts';
import { historyEntry } from '../solver/image-document.ts';
import type { Source } from '../solver/stage-sources.ts';
import type { StagePlan, Step, StepOp } from '../solver/step.ts';
import type { LayerChain } from '../solver/step-key.ts';
import { refuseForeignPlatform } from './foreign-platform.ts';
import type { PreparedBuild } from './prepared-build.ts';
import { LayerLostError } from './shared-caches.ts';
import type { StepExecutor } from './step-executor.ts';
import type { StepOutcome } from './step-once.ts';

/** A stage whose steps are done. */
export interface BuiltStage {
  readonly chain: LayerChain;
  readonly history: readonly ImageConfigHistory[];
}

export interface StageRunsOptions {
  readonly prepared: PreparedBuild;
  readonly executor: StepExecutor;
  readonly request: BuildRequest;
  /** Called with each layer that a step has made. */
  readonly made: (plan: StagePlan, diffId: Digest) => void;
  readonly progress: (step: BuildProgress) => void;
  readonly signal: AbortSignal;
}

/** The stages of one build, each run once, concurrently with independent ones. */
export class StageRuns {
  readonly #options: StageRunsOptions;
  readonly #stages = new Map<number, Promise<BuiltStage>>();

  constructor(options: StageRunsOptions) {
    this.#options = options;
  }

  /** Returns the result of a stage, which it starts on the first call. */
  stage(plan: StagePlan): Promise<BuiltStage> {
    let built = this.#stages.get(plan.index);
    if (built === undefined) {
      built = this.#run(plan);
      this.#stages.set(plan.index, built);
    }
    return built;
  }

  /** Resolves to the layers of a stage or an image. */
  async chainOf(source: Extract<Source, { readonly kind: 'stage' | 'image' }>): Promise<LayerChain> {
    const { prepared } = this.#options;
    if (source.kind === 'image') return prepared.imageOf(source)?.config.diffIds ?? [];
    return (await this.stage(prepared.plan(source.index))).chain;
  }

  /** Resolves when no stage is running. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#stages.values());
  }

  async #run(plan: StagePlan): Promise<BuiltStage> {
    const { executor, request, progress, signal } = this.#options;
    const base = await this.#base(plan);
    const now = () => new Date();
    progress({ kind: 'started', id: plan.fromId, at: now() });
    progress({ kind: 'completed', id: plan.fromId, at: now(), layer: shortName(base.chain) });
    let chain = base.chain;
    let created = createdOf(base.history);
    const history = [...base.history];
    for (const step of plan.steps) {
      signal.throwIfAborted();
      let hasLayer = false;
      if (step.op !== undefined) {
        const { diffId, createdAt } = await this.#step(plan, step, step.op, chain);
        hasLayer = diffId !== undefined;
        if (diffId !== undefined) {
          chain = [...chain, diffId];
          this.#options.made(plan, diffId);
        }
        created = createdAt;
      } else if ((await executor.configure(step, chain)) && reuses(plan, request)) {
        progress({ kind: 'cached', id: step.id, at: now() });
      }
      // A step without files gets the time of its base, so that a no-op build gives the same image.
      history.push(historyEntry(step.history, created, hasLayer));
      progress({ kind: 'completed', id: step.id, at: now(), layer: shortName(chain) });
    }
    return { chain, history };
  }

  async #step(plan: StagePlan, step: Step, op: StepOp, chain: LayerChain): Promise<StepOutcome> {
    const { prepared, executor, request, progress, signal } = this.#options;
    const { id } = step;
    try {
      if (op.kind === 'run') {
        await refuseForeignPlatform(step, platformOf(prepared.baseImageOf(plan), request));
      }
      return await executor.execute(step, op, chain, reuses(plan, request), {
        cached: () => progress({ kind: 'cached', id, at: new Date() }),
        started: (container) =>
          progress({ kind: 'started', id, at: new Date(), ...(container !== undefined && { container }) }),
        output: (stream, data) => progress({ kind: 'log', id, stream, data }),
      });
    } catch (error) {
      if (!signal.aborted && !(error instanceof LayerLostError)) {
        progress({ kind: 'failed', id, at: new Date(), message: (error as Error).message });
      }
      throw error;
    }
  }

  async #base({ base }: StagePlan): Promise<BuiltStage> {
    const { prepared } = this.#options;
    if (base.kind === 'stage') return await this.stage(prepared.plan(base.index));
    const config = prepared.imageOf(base)?.config;
    return { chain: config?.diffIds ?? [], history: config?.history ?? [] };
  }
}

/** Returns the platform of a stage by its base image, if there is one. */
export function platformOf(baseImage: ImageConfig | undefined, request: BuildRequest): Platform {
  return baseImage ?? request.platform ?? hostPlatform();
}

function reuses({ index, name }: StagePlan, { noCache }: BuildRequest): boolean {
  if (typeof noCache === 'boolean') return !noCache;
  return !noCache.some((wanted) => wanted === name || wanted === String(index));
}

/** Returns the time of an image's last step, in milliseconds since 1970; undefined if the history does not state it. */
function createdOf(history: readonly ImageConfigHistory[]): number | undefined {
  const text = history.findLast(({ created }) => created !== undefined)?.created;
  const time = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}

/** Returns the first twelve digits of an ID, as docker's progress shows the result of a step. */
function shortName(chain: LayerChain): string {
  const top = chain.at(-1);
  return top === undefined ? '' : top.slice(top.indexOf(':') + 1).slice(0, 12);
}
