import type { SingleFlight } from '../../../lib/sync/single-flight.ts';
import type { HttpExchange } from '../../../oci/distribution/http-exchange.ts';
import type { BuildRequest } from '../builder.ts';
import type { CacheMounts } from '../cache/cache-mounts.ts';
import type { StepCache } from '../cache/step-cache.ts';
import type { UnpackOptions } from '../context/unpack-archive.ts';
import type { Source } from '../solver/stage-sources.ts';
import type { LayerChain } from '../solver/step-key.ts';
import type { BuildSources } from './build-sources.ts';
import type { HeldLayers } from './held-layers.ts';
import type { RunContext } from './run-context.ts';
import type { SharedCaches } from './shared-caches.ts';
import type { RunSettings } from './step-container.ts';

/** A part of a step's output. */
export interface StepOutputPart {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Uint8Array;
}

/** The parts that builds share: the same step of two builds runs once. */
export interface SharedParts {
  readonly run: RunContext;
  readonly cache: StepCache;
  readonly cacheMounts: CacheMounts;
  readonly secretsDirectory: string;
  readonly unpack: UnpackOptions;
  readonly exchange: HttpExchange;
  readonly running: SingleFlight<string, StepOutputPart>;
}

/** One build, as its steps see it. */
export interface BuildScope {
  readonly request: BuildRequest;
  /** Settings of each RUN. */
  readonly settings: RunSettings;
  readonly held: HeldLayers;
  readonly sources: BuildSources;
  readonly shared: SharedCaches;
  /** Resolves to the layers of a stage or an image. */
  readonly chainOf: (source: Extract<Source, { readonly kind: 'stage' | 'image' }>) => Promise<LayerChain>;
  readonly signal: AbortSignal;
}
