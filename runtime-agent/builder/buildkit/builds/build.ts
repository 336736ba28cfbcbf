import { EventEmitter, once } from 'node:events';
import type { Descriptor } from '../../../../oci/manifest.ts';
import type { ImageReference } from '../../../../oci/reference.ts';
import { EngineError } from '../../../errors.ts';
import type { Platform } from '../../../images/image.ts';
import type { BuildProgress, BuildRequest, BuiltImage, SentForm } from '../../builder.ts';
import { StatusLog } from './status-log.ts';
import { StepVertexes } from './step-vertexes.ts';

/** The result of a frontend: an image for each requested platform, by the client's reference. */
export interface SolvedImage {
  readonly ref: string;
  readonly platform: Platform;
  readonly image: BuiltImage;
  /** Whether it must be in an index, even as the only image. */
  readonly isIndexed: boolean;
}

/** The result of a client's callback: references of solved images, or an error. */
export type Returned = { readonly refs: readonly string[] } | { readonly error: Error };

/** Where `--cache-to` puts the steps of a build. */
export interface CacheExports {
  readonly cacheTo: BuildRequest['cacheTo'];
  readonly inlineCache: boolean;
}

/** Parameters of `Control/Solve`, for the calls on the bridge. */
export interface BuildOptions extends CacheExports {
  /** The session of the client whose callback runs. */
  readonly session: string;
  readonly sends: readonly SentForm[];
  readonly pushesTo: readonly ImageReference[];
  /** Entitlements that the client grants to steps. */
  readonly entitlements: readonly string[];
}

/** A build from `Control/Solve` to its answer; other calls of its client find it by its name. */
export class Build {
  /** The name that the client chose. */
  readonly ref: string;
  readonly status = new StatusLog();
  /** The manifest of the cache in a client's folder, which the client records. */
  folderCache: Descriptor | undefined;
  readonly #vertexes: StepVertexes;
  readonly #solved = new Map<string, SolvedImage>();
  readonly #ended = new AbortController();
  readonly #returned = Promise.withResolvers<Returned>();

  #options: BuildOptions | undefined;

  constructor(ref: string) {
    this.ref = ref;
    this.#vertexes = new StepVertexes(ref);
  }

  configure(options: BuildOptions): void {
    this.#options = options;
  }

  /** Throws EngineError 'conflict' where the build was refused, or has ended. */
  get options(): BuildOptions {
    if (this.#options === undefined || this.#ended.signal.aborted) {
      throw new EngineError('conflict', 'the build has ended');
    }
    return this.#options;
  }

  /** Aborted when the build has ended in any way: all its work must stop. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  progress(step: BuildProgress): void {
    const update = this.#vertexes.update(step);
    if (update !== undefined) this.status.append(update);
  }

  /** Keeps an image until the build ends. */
  keep(image: SolvedImage): void {
    this.#solved.set(image.ref, image);
  }

  solved(ref: string): SolvedImage | undefined {
    return this.#solved.get(ref);
  }

  /** Records the result of the client's callback. */
  return(returned: Returned): void {
    this.#returned.resolve(returned);
  }

  /** Waits for the client's callback. Throws its error. */
  async returned(signal: AbortSignal): Promise<readonly string[]> {
    const aborted = Promise.withResolvers<never>();
    const abort = () => aborted.reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    try {
      const returned = await Promise.race([this.#returned.promise, aborted.promise]);
      if ('error' in returned) throw returned.error;
      return returned.refs;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  async end(): Promise<void> {
    this.#ended.abort();
    this.status.end();
    for (const { image } of this.#solved.values()) await image.release();
  }
}

/** Number of ended builds that are kept: requests for their status may be late. */
const KEPT = 8;
/** Milliseconds that a request waits for its build to start, as in BuildKit. */
const PATIENCE = 5_000;

/** The running builds, by the names that their clients chose. */
export class Builds {
  readonly #builds = new Map<string, Build>();
  readonly #changes = new EventEmitter<{ started: [] }>();

  constructor() {
    this.#changes.setMaxListeners(0);
  }

  /** Throws EngineError 'conflict' when a build with this name is running. */
  start(ref: string): Build {
    if (ref === '') throw new EngineError('bad-request', 'a build needs a reference');
    if (this.#builds.get(ref)?.ended.aborted === false) {
      throw new EngineError('conflict', `the build ${ref} is already running`);
    }
    const build = new Build(ref);
    this.#builds.delete(ref);
    this.#builds.set(ref, build);
    const ended = [...this.#builds.values()].filter((known) => known.ended.aborted);
    for (const old of ended.slice(0, Math.max(0, ended.length - KEPT))) this.#builds.delete(old.ref);
    this.#changes.emit('started');
    return build;
  }

  /**
   * Returns a build. Clients start a build and ask about it concurrently, so this waits for a while. Throws EngineError
   * 'not-found'.
   */
  async get(ref: string, signal: AbortSignal): Promise<Build> {
    const patience = AbortSignal.timeout(PATIENCE);
    const ended = AbortSignal.any([signal, patience]);
    for (;;) {
      signal.throwIfAborted();
      const build = this.#builds.get(ref);
      if (build !== undefined) return build;
      if (patience.aborted) throw new EngineError('not-found', `there is no build ${ref.slice(0, 80)}`);
      await once(this.#changes, 'started', { signal: ended }).catch((error: Error) => {
        if (!ended.aborted) throw error;
      });
    }
  }
}
