import { randomUUID } from 'node:crypto';
import { isDigest } from '../../oci/digest.ts';
import type { ToldEvent } from '../../storage/catalog/webhook-catalog.ts';
import { LogSampler } from '../log-sampler.ts';
import type { EndedRequest } from '../request-recorder.ts';

/** Of pulls, each second. */
const SAMPLING = { always: 10, oneIn: 100 };
const MOST_HELD = 1000;
const MANIFEST_PATH = /\/v2\/(.+)\/manifests\/([^/]+)$/;

/** Some of the pulls of manifests, for the webhooks that want to know of them. */
export class PullSamples {
  /** Whether there is such a webhook. */
  wanted = false;
  readonly #sampler = new LogSampler(SAMPLING);
  #held: ToldEvent[] = [];

  note({ method, path, route, status, user }: EndedRequest): void {
    if (!this.wanted || method !== 'GET' || status !== 200 || !route.endsWith('/manifests/:reference'))
      return;
    const [, repository = '', reference = ''] = MANIFEST_PATH.exec(path) ?? [];
    const unnoted = this.#sampler.take();
    if (unnoted === undefined || this.#held.length >= MOST_HELD) return;
    this.#held.push({
      id: randomUUID(),
      action: 'pull',
      repository,
      at: new Date().toISOString(),
      ...(user !== undefined && { who: user }),
      ...(isDigest(reference) ? { digest: reference } : { tag: reference }),
      count: unnoted + 1,
    });
  }

  /** Those since the last time. */
  take(): readonly ToldEvent[] {
    const held = this.#held;
    this.#held = [];
    return held;
  }
}
