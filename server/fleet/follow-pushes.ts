import type { Logger } from 'pino';
import type { AppStore } from '../../fleet/app-store.ts';
import { repeat } from '../background/repeat.ts';
import type { Deployments } from './deployments.ts';

/** Milliseconds without a push after which the images of an app with several tags are complete. */
const QUIET = 400;
/** Maximum milliseconds that successive pushes delay a release. */
const LONGEST = 3000;
/** Milliseconds between two comparisons of all tags, which find pushes just before a registry ended. */
const COMPARE = 30_000;
/**
 * Milliseconds for which a comparison leaves a change to the push itself, here or at another replica: it knows who
 * pushed.
 */
const COMPARED = 2000;
/** Maximum pending pushes: the next comparison finds further ones. */
const MOST_WAITING = 1000;

/** A push of a manifest by its tag. */
export interface TagPush {
  readonly repository: string;
  readonly tag: string;
  readonly by: string;
}

interface DueApp {
  readonly first: number;
  /** Who made the first push; empty if only a comparison found that a tag may have moved. */
  readonly by: string;
  readonly timer: NodeJS.Timeout;
}

/** Makes releases of apps that follow their tags. Several images that are pushed within a moment make one release. */
export class FollowPushes {
  readonly #apps: AppStore;
  readonly #deployments: Pick<Deployments, 'followTags'>;
  readonly #log: Logger;
  readonly #due = new Map<string, DueApp>();
  readonly #waiting: TagPush[] = [];
  #looking: Promise<void> | undefined;
  #isClosed = false;

  constructor(apps: AppStore, deployments: Pick<Deployments, 'followTags'>, log: Logger) {
    this.#apps = apps;
    this.#deployments = deployments;
    this.#log = log;
  }

  /** Queues a push; returns at once. */
  pushed(push: TagPush): void {
    if (this.#isClosed || this.#waiting.length >= MOST_WAITING) return;
    this.#waiting.push(push);
    this.#looking ??= this.#lookUp().finally(() => {
      this.#looking = undefined;
    });
  }

  /** Compares all tags from time to time, until `signal` aborts. */
  async keep(signal: AbortSignal): Promise<void> {
    const compare = async () => {
      for (const { follow, name } of await this.#apps.list()) {
        if (follow === 'following' && !signal.aborted && !this.#due.has(name)) this.#put(name, '', COMPARED);
      }
    };
    await repeat(compare, { first: 1000, every: COMPARE }, signal, (error) =>
      this.#log.error({ err: error }, 'the tags that apps follow could not be compared'),
    );
    this.#isClosed = true;
    for (const { timer } of this.#due.values()) clearTimeout(timer);
    await this.#looking;
  }

  async #lookUp(): Promise<void> {
    for (let push = this.#waiting.shift(); push !== undefined; push = this.#waiting.shift()) {
      try {
        for (const { name, tags } of await this.#apps.followers(push.repository, push.tag))
          this.#put(name, push.by, tags > 1 ? QUIET : 0);
      } catch (error) {
        this.#log.error({ err: error, ...push }, 'the apps that follow a tag could not be found');
      }
    }
  }

  #put(app: string, pushedBy: string, quiet: number): void {
    if (this.#isClosed) return;
    const now = performance.now();
    const due = this.#due.get(app);
    const first = due?.first ?? now;
    if (due !== undefined) clearTimeout(due.timer);
    const by = due?.by || pushedBy;
    const wait = Math.max(0, Math.min(quiet, first + LONGEST - now));
    const timer = setTimeout(() => {
      this.#due.delete(app);
      void this.#release(app, { by });
    }, wait);
    timer.unref();
    this.#due.set(app, { first, by, timer });
  }

  async #release(app: string, pushed: { readonly by: string }): Promise<void> {
    try {
      const release = await this.#deployments.followTags(app, pushed);
      if (release !== undefined) this.#log.info({ app, release: release.number }, 'a push makes a release');
    } catch (error) {
      this.#log.warn({ err: error, app }, 'a push could not be deployed');
    }
  }
}
