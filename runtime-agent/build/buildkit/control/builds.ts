import { EventEmitter, once } from 'node:events';
import { EngineError } from '../../../errors.ts';
import { Build } from './build.ts';

/** Builds that have ended and are still known: who asks for the status of one comes late at times. */
const KEPT = 8;

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

  /** Clients start a build and ask about it at the same time, so this waits until it is there. */
  async get(ref: string, signal: AbortSignal): Promise<Build> {
    for (;;) {
      signal.throwIfAborted();
      const build = this.#builds.get(ref);
      if (build !== undefined) return build;
      await once(this.#changes, 'started', { signal });
    }
  }
}
