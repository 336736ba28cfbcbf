import type { Digest } from '../../../oci/digest.ts';
import type { LayerCompressor } from '../../images/compression/layer-compressor.ts';
import type { Images } from '../../images/images.ts';
import type { LayerLeases } from '../../images/layer-fetcher.ts';
import type { LayerTransfer } from '../../images/layer-transfer/layer-transfer.ts';
import type { PendingImage, PendingImages } from '../../images/pending/pending-images.ts';
import type { BuildProgress, BuildRequest, BuiltImage, SentForm } from '../builder.ts';
import type { RemoteStep } from '../cache/remote/cache-document.ts';
import type { RemoteCaches } from '../cache/remote/remote-cache.ts';
import { gitFiles } from '../context/git/git-files.ts';
import type { Entitlement } from '../entitlements.ts';
import { imageDocument } from '../solver/image-document.ts';
import type { StagePlan } from '../solver/step.ts';
import { wantedOfContext } from '../solver/wanted-of-context.ts';
import { BuildPreparation } from './build-preparation.ts';
import type { BuildScope, SharedParts } from './build-scope.ts';
import { BuildSources } from './build-sources.ts';
import { EarlyCompression } from './early-compression.ts';
import { EarlyUpload } from './early-upload.ts';
import { HeldLayers } from './held-layers.ts';
import type { PreparedBuild } from './prepared-build.ts';
import { LayerLostError, SharedCaches } from './shared-caches.ts';
import { type BuiltStage, platformOf, StageRuns } from './stage-runs.ts';
import { type RunSettings, runSettings } from './step-container.ts';
import { StepExecutor } from './step-executor.ts';

/** The parts that all builds of this host share. */
export interface BuildRunParts extends SharedParts {
  readonly images: Images;
  readonly pendingImages: PendingImages;
  readonly leases: LayerLeases;
  readonly remote: RemoteCaches;
  readonly compressor: Pick<LayerCompressor, 'forms'>;
  readonly transfer: Pick<LayerTransfer, 'send'>;
  /** Entitlements that clients may grant. */
  readonly allowed: readonly Entitlement[];
}

/** One build from its Dockerfile to the image. */
export class BuildRun {
  readonly #parts: BuildRunParts;
  readonly #request: BuildRequest;
  readonly #progress: (step: BuildProgress) => void;
  readonly #signal: AbortSignal;
  readonly #held: HeldLayers;

  constructor(
    parts: BuildRunParts,
    request: BuildRequest,
    progress: (step: BuildProgress) => void,
    signal: AbortSignal,
  ) {
    this.#parts = parts;
    this.#request = request;
    this.#progress = progress;
    this.#signal = signal;
    this.#held = new HeldLayers(parts.leases);
  }

  async build(): Promise<BuiltImage> {
    const settings = runSettings(this.#parts.run, this.#request);
    let isKept = false;
    try {
      const preparation = new BuildPreparation({
        images: this.#parts.images,
        pendingImages: this.#parts.pendingImages,
        request: this.#request,
        allowed: this.#parts.allowed,
        held: this.#held,
        progress: this.#progress,
        signal: this.#signal,
      });
      const image = await this.#execute(await preparation.prepare(), settings);
      // A cache export needs layers that the image lacks.
      isKept = this.#request.cacheTo.length > 0;
      return isKept ? { ...image, release: () => this.#releaseWith(image) } : image;
    } finally {
      if (!isKept) this.#held.release();
    }
  }

  async #releaseWith(image: BuiltImage): Promise<void> {
    this.#held.release();
    await image.release();
  }

  async #execute(prepared: PreparedBuild, settings: RunSettings): Promise<BuiltImage> {
    const request = this.#request;
    /** Cancels pending work of a failed build without waiting. */
    const failed = new AbortController();
    const signal = AbortSignal.any([this.#signal, failed.signal]);
    const shared = new SharedCaches({
      remote: this.#parts.remote,
      request,
      steps: this.#parts.cache,
      layerStore: this.#parts.run.layerStore,
      held: this.#held,
      progress: this.#progress,
      signal,
    });
    const sources = new BuildSources({
      layerStore: this.#parts.run.layerStore,
      overlays: this.#parts.run.overlays,
      held: this.#held,
      source: request.source,
      ignored: prepared.ignored,
      wanted: (name) => wantedOfContext(prepared.plans, name),
      fetchGit: (url) => gitFiles(url, request.source, this.#parts.unpack, signal),
      bring: (chain) => shared.bring(chain),
      signal,
    });
    await shared.open();
    try {
      for (;;) {
        try {
          return await this.#attempt(prepared, { settings, sources, shared });
        } catch (error) {
          // Each round looks for one step fewer in the caches.
          if (!(error instanceof LayerLostError)) throw error;
        }
      }
    } catch (error) {
      failed.abort(error);
      throw error;
    } finally {
      await shared.close();
      await sources.close();
    }
  }

  async #attempt(
    prepared: PreparedBuild,
    { settings, sources, shared }: Pick<BuildScope, 'settings' | 'sources' | 'shared'>,
  ): Promise<BuiltImage> {
    /** The first failure aborts the concurrent stages. */
    const failure = new AbortController();
    const signal = AbortSignal.any([this.#signal, failure.signal]);
    const request = this.#request;
    const executor = new StepExecutor(this.#parts, {
      shared,
      request,
      settings,
      held: this.#held,
      sources,
      chainOf: (source) => runs.chainOf(source),
      signal,
    });
    const baseImage = prepared.baseImageOf(prepared.target)?.diffIds ?? [];
    const uploads = new EarlyUpload({
      transfer: this.#parts.transfer,
      source: request.source,
      targets: request.pushesTo ?? [],
      signal,
    });
    const early = new EarlyCompression({
      compressor: this.#parts.compressor,
      forms: earlyForms(request),
      baseLayers: new Set(baseImage),
      upload: (diffId) => uploads.upload(diffId),
      progress: this.#progress,
      signal,
    });
    for (const diffId of baseImage) early.begin(diffId);
    const stages = earlyStages(request, prepared);
    const made = ({ index }: StagePlan, diffId: Digest) => {
      if (stages.has(index)) early.begin(diffId);
    };
    const runs = new StageRuns({ prepared, executor, request, made, progress: this.#progress, signal });
    const pending = this.#parts.pendingImages.begin();
    const stageOf = async (plan: StagePlan) => {
      try {
        return await runs.stage(plan);
      } catch (error) {
        failure.abort(error);
        throw error;
      }
    };
    try {
      await Promise.all(prepared.plans.map(stageOf));
      const stage = await runs.stage(prepared.target);
      await shared.bring(stage.chain);
      const image = await this.#finish(pending, prepared, stage, shared.inline(stage.chain));
      await early.finish();
      return { ...image, steps: await shared.built(stage.chain) };
    } catch (error) {
      failure.abort(error);
      await pending.release();
      throw failure.signal.reason;
    } finally {
      await runs.settle();
      await executor.settle();
      await early.settle();
    }
  }

  async #finish(
    pending: PendingImage,
    prepared: PreparedBuild,
    stage: BuiltStage,
    inlineCache: readonly RemoteStep[] | undefined,
  ): Promise<Omit<BuiltImage, 'steps'>> {
    const plan = prepared.target;
    const baseImage = prepared.baseImageOf(plan);
    await pending.keepLayers(stage.chain);
    const config = imageDocument({
      platform: platformOf(baseImage, this.#request),
      author: plan.author ?? baseImage?.author,
      config: plan.config,
      labels: this.#request.labels,
      diffIds: stage.chain,
      history: stage.history,
      ...(inlineCache && { inlineCache }),
    });
    const image = await pending.finish({ config });
    return {
      id: image.id,
      manifestDigest: image.manifestDigest,
      baseLayers: new Set(baseImage?.diffIds),
      materials: prepared.materials,
      release: () => pending.release(),
    };
  }
}

/** The form of caches. A registry may have their layers already. */
const OF_CACHES: SentForm = { compression: { kind: 'gzip' }, keeps: 'all', isRead: false };

/** Returns the forms in which layers of a build are sent: none if it sends nothing. */
function earlyForms({ sends = [], cacheTo }: Pick<BuildRequest, 'sends' | 'cacheTo'>): readonly SentForm[] {
  const kinds = new Set(cacheTo.map(({ kind }) => kind));
  return [...sends, ...[...kinds].map((kind) => ({ ...OF_CACHES, isRead: kind === 'folder' }))];
}

/** Returns the stages whose layers are sent: those below the target, and all of them for a cache of the mode `max`. */
function earlyStages(
  { cacheTo }: Pick<BuildRequest, 'cacheTo'>,
  prepared: Pick<PreparedBuild, 'plans' | 'plan' | 'target'>,
): ReadonlySet<number> {
  if (cacheTo.some(({ mode }) => mode === 'max')) return new Set(prepared.plans.map(({ index }) => index));
  const stages = new Set<number>();
  for (let plan = prepared.target; ; plan = prepared.plan(plan.base.index)) {
    stages.add(plan.index);
    if (plan.base.kind !== 'stage') return stages;
  }
}
