import type {
  ImageConfig,
  ImageConfigDefaults,
  ImageConfigHistory,
} from '../../../storage/oci/image-config.ts';
import { EngineError } from '../../errors.ts';
import type { ImageDraft, ImageDrafts } from '../../images/drafts/image-drafts.ts';
import type { Platform } from '../../images/image.ts';
import type { Images, PullProgress } from '../../images/images.ts';
import type { LayerHolds } from '../../images/layer-holds.ts';
import { hostPlatform } from '../../images/platform.ts';
import type { BuildProgress, BuildRequest, BuiltImage } from '../builder.ts';
import type { RemoteStep } from '../cache/remote/cache-document.ts';
import type { RemoteCaches } from '../cache/remote/remote-cache.ts';
import { dockerfileError } from '../frontend/dockerfile-text.ts';
import { ignoreLines } from '../frontend/ignore-rules.ts';
import type { Instruction } from '../frontend/instruction.ts';
import { type Dockerfile, parseDockerfile, parseTrigger, type Stage } from '../frontend/parse-dockerfile.ts';
import { announcedSteps } from '../solver/announce.ts';
import { globalScope, platformArguments, unusedArguments } from '../solver/build-arguments.ts';
import { historyEntry, imageDocument } from '../solver/image-document.ts';
import { imageKey, type NeededStage, neededImages, neededStages } from '../solver/needed-stages.ts';
import { planStage } from '../solver/plan-stage.ts';
import { type NameScope, type Source, targetStage } from '../solver/stage-sources.ts';
import type { StagePlan } from '../solver/step.ts';
import type { Chain } from '../solver/step-key.ts';
import { wantedOfContext } from '../solver/wanted-of-context.ts';
import { type BaseImage, findBaseImage } from './base-images.ts';
import { BuildSources } from './build-sources.ts';
import { createdOf, shortName } from './chain-facts.ts';
import { refuseForeignPlatform } from './foreign-platform.ts';
import { HeldLayers } from './held-layers.ts';
import { SharedCaches } from './shared-caches.ts';
import { type SharedParts, StepExecutor } from './step-executor.ts';
import { tellPull } from './tell-pull.ts';

/** What all builds of this host share. */
export interface BuildRunParts extends SharedParts {
  readonly images: Images;
  readonly drafts: ImageDrafts;
  readonly holds: LayerHolds;
  readonly remote: RemoteCaches;
}

/** A stage whose steps are done. */
interface BuiltStage {
  readonly chain: Chain;
  readonly history: readonly ImageConfigHistory[];
}

/** Of images made from scratch, as both builders of the field have it. */
const NO_CONFIG: ImageConfigDefaults = {
  Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
};

/** One build from its Dockerfile to the image. */
export class BuildRun {
  readonly #parts: BuildRunParts;
  readonly #request: BuildRequest;
  readonly #progress: (step: BuildProgress) => void;
  readonly #signal: AbortSignal;
  readonly #held: HeldLayers;
  readonly #bases = new Map<string, BaseImage>();
  readonly #stages = new Map<number, Promise<BuiltStage>>();
  /** The first failure stops the stages that run beside it. */
  readonly #failure = new AbortController();

  constructor(
    parts: BuildRunParts,
    request: BuildRequest,
    progress: (step: BuildProgress) => void,
    signal: AbortSignal,
  ) {
    this.#parts = parts;
    this.#request = request;
    this.#progress = progress;
    this.#signal = AbortSignal.any([signal, this.#failure.signal]);
    this.#held = new HeldLayers(parts.holds);
  }

  async build(): Promise<BuiltImage> {
    try {
      const dockerfile = await this.#readDockerfile();
      const ignored = await this.#readIgnored();
      const scope = this.#nameScope(dockerfile);
      const target = targetStage(dockerfile, this.#request.target);
      const needed = await this.#resolve(scope, target);
      const plans = this.#plan(scope, needed);
      for (const step of announcedSteps([...plans.values()].sort((a, b) => a.index - b.index)))
        this.#progress(step);
      this.#warnOfUnused(scope, plans);
      return await this.#execute(plans, target, ignored);
    } finally {
      this.#held.release();
    }
  }

  async #readDockerfile(): Promise<Dockerfile> {
    const { source, dockerfile: name } = this.#request;
    const content = await source.readDockerfile(name, this.#signal);
    if (content === undefined) {
      throw new EngineError('bad-request', `Cannot locate specified Dockerfile: ${name}`);
    }
    return parseDockerfile(name, content);
  }

  /** The ignore file of the Dockerfile wins over that of the context. */
  async #readIgnored(): Promise<readonly string[]> {
    const { source, dockerfile } = this.#request;
    const own = await source.readDockerfile(`${dockerfile}.dockerignore`, this.#signal);
    const content = own ?? (await source.readDockerfile('.dockerignore', this.#signal));
    return content === undefined ? [] : ignoreLines(content);
  }

  #nameScope(dockerfile: Dockerfile): NameScope {
    const { buildArguments, platform, target, namedContexts } = this.#request;
    const host = hostPlatform();
    const platforms = platformArguments(platform ?? host, host, target ?? 'default');
    return { dockerfile, global: globalScope(dockerfile, buildArguments, platforms), namedContexts };
  }

  /** Images bring instructions (ONBUILD), which may need further stages and images. */
  async #resolve(scope: NameScope, target: Stage): Promise<readonly NeededStage[]> {
    const triggers = (stage: Stage, base: Source): readonly Instruction[] => {
      const image = base.kind === 'image' ? this.#bases.get(imageKey(base)) : undefined;
      return (image?.config.config.OnBuild ?? []).map((trigger) =>
        parseTrigger(trigger, scope.dockerfile.escapeToken, stage.from.at),
      );
    };
    for (;;) {
      const stages = neededStages(scope, target, triggers);
      const missing = neededImages(scope, stages).filter((image) => !this.#bases.has(imageKey(image)));
      if (missing.length === 0) return stages;
      await Promise.all(missing.map((image) => this.#findImage(scope, stages, image)));
    }
  }

  async #findImage(
    scope: NameScope,
    stages: readonly NeededStage[],
    image: Extract<Source, { readonly kind: 'image' }>,
  ): Promise<void> {
    const { images, drafts } = this.#parts;
    const { source, pull, platform } = this.#request;
    const id = `image ${imageKey(image)}`;
    this.#progress({
      kind: 'planned',
      id,
      name: `[internal] load metadata for ${image.reference}`,
      inputs: [],
    });
    this.#progress({ kind: 'started', id, at: new Date() });
    const user = stages.find(
      ({ base }) => base === image || (base.kind === 'image' && imageKey(base) === imageKey(image)),
    );
    const at = (user?.stage ?? scope.dockerfile.stages[0])?.from.at ?? scope.dockerfile.at;
    try {
      const progress = (step: PullProgress) => tellPull(this.#progress, id, step);
      const options = { images, drafts, source, pull, progress, signal: this.#signal };
      const found = await findBaseImage(image.reference, image.platform ?? platform, options);
      for (const diffId of found.config.diffIds) {
        if (!(await this.#held.take(diffId)))
          throw new EngineError('not-found', `layer ${diffId} is not on this host`);
      }
      this.#bases.set(imageKey(image), found);
      this.#progress({ kind: 'completed', id, at: new Date() });
    } catch (error) {
      this.#progress({ kind: 'failed', id, at: new Date(), message: (error as Error).message });
      if (!(error instanceof EngineError)) throw error;
      const { message } = dockerfileError(at, `FROM: ${error.message}`);
      throw new EngineError(error.code, message, { cause: error });
    }
  }

  #plan(scope: NameScope, needed: readonly NeededStage[]): ReadonlyMap<number, StagePlan> {
    const plans = new Map<number, StagePlan>();
    for (const each of needed) {
      const { base } = each;
      const baseConfig =
        base.kind === 'stage' ? plans.get(base.index)?.config : this.#imageOf(base)?.config.config;
      plans.set(
        each.stage.index,
        planStage({
          scope,
          needed: each,
          baseConfig: baseConfig ?? NO_CONFIG,
          given: this.#request.buildArguments,
        }),
      );
    }
    return plans;
  }

  #warnOfUnused(scope: NameScope, plans: ReadonlyMap<number, StagePlan>): void {
    const taken = new Set([...plans.values()].flatMap(({ takenArguments }) => [...takenArguments]));
    for (const { pairs } of scope.dockerfile.globalArguments) for (const { name } of pairs) taken.add(name);
    const unused = unusedArguments(this.#request.buildArguments, taken);
    if (unused.length === 0) return;
    const message = `One or more build-args [${unused.join(' ')}] were not consumed`;
    this.#progress({ kind: 'warning', id: [...plans.values()][0]?.fromId ?? '', message });
  }

  async #execute(
    plans: ReadonlyMap<number, StagePlan>,
    target: Stage,
    ignored: readonly string[],
  ): Promise<BuiltImage> {
    const { source } = this.#request;
    const sources = new BuildSources({
      snapshotter: this.#parts.run.snapshotter,
      held: this.#held,
      source,
      ignored,
      wanted: (name) => wantedOfContext([...plans.values()], name),
      signal: this.#signal,
    });
    const shared = new SharedCaches({
      remote: this.#parts.remote,
      request: this.#request,
      steps: this.#parts.cache,
      snapshotter: this.#parts.run.snapshotter,
      held: this.#held,
      progress: this.#progress,
      signal: this.#signal,
    });
    await shared.open();
    const executor = new StepExecutor(this.#parts, {
      shared,
      request: this.#request,
      held: this.#held,
      sources,
      chainOf: (from) => this.#chainOf(from, plans, executor),
      signal: this.#signal,
    });
    const draft = this.#parts.drafts.begin();
    try {
      for (const plan of plans.values())
        void this.#stage(plan, plans, executor).catch((error: unknown) => this.#failure.abort(error));
      const plan = plans.get(target.index);
      if (plan === undefined) throw new TypeError('the target was planned');
      await Promise.all([...plans.values()].map((each) => this.#stage(each, plans, executor)));
      const stage = await this.#stage(plan, plans, executor);
      const image = await this.#finish(
        draft,
        plan,
        stage,
        this.#ground(plan, plans),
        shared.inline(stage.chain),
      );
      await shared.save(stage.chain);
      return image;
    } catch (error) {
      this.#failure.abort(error);
      await draft.release();
      throw this.#failure.signal.reason;
    } finally {
      await Promise.allSettled(this.#stages.values());
      await executor.settle();
      await sources.close();
    }
  }

  #stage(
    plan: StagePlan,
    plans: ReadonlyMap<number, StagePlan>,
    executor: StepExecutor,
  ): Promise<BuiltStage> {
    let built = this.#stages.get(plan.index);
    if (built === undefined) {
      built = this.#buildStage(plan, plans, executor);
      this.#stages.set(plan.index, built);
    }
    return built;
  }

  async #buildStage(
    plan: StagePlan,
    plans: ReadonlyMap<number, StagePlan>,
    executor: StepExecutor,
  ): Promise<BuiltStage> {
    const base = await this.#base(plan, plans, executor);
    const now = () => new Date();
    this.#progress({ kind: 'started', id: plan.fromId, at: now() });
    this.#progress({ kind: 'completed', id: plan.fromId, at: now(), layer: shortName(base.chain) });
    let chain = base.chain;
    let created = createdOf(base.history);
    const history = [...base.history];
    const reuses = this.#reuses(plan);
    for (const step of plan.steps) {
      const { id, work } = step;
      this.#signal.throwIfAborted();
      if (work === undefined) {
        history.push(historyEntry(step.history, created, false));
        this.#progress({ kind: 'completed', id, at: now(), layer: shortName(chain) });
        continue;
      }
      try {
        if (work.kind === 'run') await refuseForeignPlatform(step, this.#platform(this.#ground(plan, plans)));
        const outcome = await executor.execute(step, work, chain, reuses, {
          cached: () => this.#progress({ kind: 'cached', id, at: now() }),
          started: () => this.#progress({ kind: 'started', id, at: now() }),
          output: (stream, data) => this.#progress({ kind: 'log', id, stream, data }),
        });
        const { diffId, createdAt } = outcome;
        if (diffId !== undefined) chain = [...chain, diffId];
        created = createdAt;
        history.push(historyEntry(step.history, createdAt, diffId !== undefined));
        this.#progress({ kind: 'completed', id, at: now(), layer: shortName(chain) });
      } catch (error) {
        if (!this.#signal.aborted) {
          this.#progress({ kind: 'failed', id, at: now(), message: (error as Error).message });
        }
        throw error;
      }
    }
    return { chain, history };
  }

  async #base(
    plan: StagePlan,
    plans: ReadonlyMap<number, StagePlan>,
    executor: StepExecutor,
  ): Promise<BuiltStage> {
    const { base } = plan;
    if (base.kind === 'stage') {
      const below = plans.get(base.index);
      if (below === undefined) throw new TypeError('a stage was planned before those on it');
      return await this.#stage(below, plans, executor);
    }
    const image = this.#imageOf(base);
    return image === undefined
      ? { chain: [], history: [] }
      : { chain: image.config.diffIds, history: image.config.history };
  }

  async #chainOf(
    source: Extract<Source, { readonly kind: 'stage' | 'image' }>,
    plans: ReadonlyMap<number, StagePlan>,
    executor: StepExecutor,
  ): Promise<Chain> {
    if (source.kind === 'image') return this.#imageOf(source)?.config.diffIds ?? [];
    const plan = plans.get(source.index);
    if (plan === undefined) throw new TypeError('a stage that is copied from was planned');
    return (await this.#stage(plan, plans, executor)).chain;
  }

  #imageOf(source: Source): BaseImage | undefined {
    return source.kind === 'image' ? this.#bases.get(imageKey(source)) : undefined;
  }

  /** Of a stage that stands on an image, or on nothing. */
  #platform(ground: ImageConfig | undefined): Platform {
    return ground ?? this.#request.platform ?? hostPlatform();
  }

  #reuses({ index, name }: StagePlan): boolean {
    const { noCache } = this.#request;
    if (typeof noCache === 'boolean') return !noCache;
    return !noCache.some((wanted) => wanted === name || wanted === String(index));
  }

  async #finish(
    draft: ImageDraft,
    plan: StagePlan,
    stage: BuiltStage,
    ground: ImageConfig | undefined,
    inlineCache: readonly RemoteStep[] | undefined,
  ): Promise<BuiltImage> {
    await draft.keepLayers(stage.chain);
    const config = imageDocument({
      platform: this.#platform(ground),
      author: plan.author ?? ground?.author,
      config: plan.config,
      labels: this.#request.labels,
      diffIds: stage.chain,
      history: stage.history,
      ...(inlineCache && { inlineCache }),
    });
    const image = await draft.finish({ config });
    return {
      id: image.id,
      manifestDigest: image.manifestDigest,
      materials: [...this.#bases.values()].map(({ reference, digest }) => ({
        uri: `pkg:docker/${reference}`,
        digest,
      })),
      release: () => draft.release(),
    };
  }

  /** The configuration of the image that the stage stands on in the end. */
  #ground(plan: StagePlan, plans: ReadonlyMap<number, StagePlan>): ImageConfig | undefined {
    const { base } = plan;
    const below = base.kind === 'stage' ? plans.get(base.index) : undefined;
    return below === undefined ? this.#imageOf(base)?.config : this.#ground(below, plans);
  }
}
