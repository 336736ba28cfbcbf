import { EventEmitter, once } from 'node:events';
import { EngineError } from '../../../errors.ts';
import { Build } from './build.ts';

/** Builds that have ended and are still known: who asks for the status of one comes late at times. */
const KEPT = 8;
/** Milliseconds that a build may come after the first who asks for it, as with BuildKit. */
const PATIENCE = 5_000;

/** The builds that are under way, by the names that their clients made up. */
export class Builds {
  readonly #builds = new Map<string, Build>();
  readonly #changes = new EventEmitter<{ started: [] }>();

  constructor() {
    this.#changes.setMaxListeners(0);
  }

  /** Throws EngineError 'conflict' where a build of this name is under way. */
  start(ref: string): Build {
    if (ref === '') throw new EngineError('bad-request', 'a build needs a reference');
    if (this.#builds.get(ref)?.ended.aborted === false) {
      throw new EngineError('conflict', `the build ${ref} is under way already`);
    }
    const build = new Build(ref);
    this.#builds.delete(ref);
    this.#builds.set(ref, build);
    const ended = [...this.#builds.values()].filter((known) => known.ended.aborted);
    for (const old of ended.slice(0, Math.max(0, ended.length - KEPT))) this.#builds.delete(old.ref);
    this.#changes.emit('started');
    return build;
  }

  /** Clients start a build and ask about it at the same time, so this waits a while until it is there. Throws EngineError 'not-found'. */
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
