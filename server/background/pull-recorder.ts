import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { isDigest } from '../../oci/digest.ts';
import type { PullTime } from '../../storage/catalog/browse/pull-times.ts';
import type { ToldEvent } from '../../storage/catalog/webhook-catalog.ts';
import { LogSampler } from '../log.ts';
import type { EndedRequest } from '../request-recorder.ts';
import { repeat } from './repeat.ts';

/** Maximum pending paths of manifests; further ones are not recorded. */
const MOST_HELD = 10_000;
/** A crash loses the times of one minute, and pages are as late. */
const RHYTHM = { first: 60_000, every: 60_000 };

/** Remembers when manifests were last pulled, and records it each minute: a pull itself writes nothing. */
export class PullRecorder {
  readonly #record: (pulls: readonly PullTime[]) => Promise<void>;
  /** Milliseconds since 1970, by the path of the request: parsing each path costs more than storing it. */
  readonly #held = new Map<string, number>();

  constructor(record: (pulls: readonly PullTime[]) => Promise<void>) {
    this.#record = record;
  }

  /** Notes a request if it is a pull of a manifest: a GET, since pushers and monitors use HEAD. */
  note({ method, path, route, status }: Pick<EndedRequest, 'method' | 'path' | 'route' | 'status'>): void {
    if (method !== 'GET' || status !== 200 || !route.endsWith('/manifests/:reference')) return;
    if (this.#held.size < MOST_HELD || this.#held.has(path)) this.#held.set(path, Date.now());
  }

  /** Records the pending pulls. On failure they stay pending. */
  async flush(): Promise<void> {
    const noted = [...this.#held];
    if (noted.length === 0) return;
    const pulls = new Map<string, PullTime>();
    for (const [path, time] of noted) addPull(pulls, path, time);
    await this.#record([...pulls.values()]);
    for (const [path, time] of noted) if (this.#held.get(path) === time) this.#held.delete(path);
  }

  /** Records every minute until `signal` aborts, and then once more; resolves after that. */
  async keep(signal: AbortSignal, log: Logger): Promise<void> {
    const failed = (error: unknown) => log.warn({ err: error }, 'times of pulls could not be recorded');
    await repeat(() => this.flush(), RHYTHM, signal, failed);
    await this.flush().catch(failed);
  }
}

/** Adds a pull by repository and reference; the latest one of each counts. A digest has several spellings in a path. */
function addPull(pulls: Map<string, PullTime>, path: string, time: number): void {
  const start = path.indexOf('/v2/');
  const end = path.lastIndexOf('/manifests/');
  if (start < 0 || end < start) return;
  const repository = path.slice(start + '/v2/'.length, end);
  const reference = path.slice(end + '/manifests/'.length).replaceAll(/%3a/gi, ':');
  const key = `${repository} ${reference}`;
  const at = new Date(Math.max(time, pulls.get(key)?.at.getTime() ?? 0));
  pulls.set(key, { repository, reference, at });
}

/** Sampling rate of pulls: always this many per second, and one in so many beyond. */
const SAMPLING = { always: 10, oneIn: 100 };
const MOST_SAMPLES = 1000;
const MANIFEST_PATH = /\/v2\/(.+)\/manifests\/([^/]+)$/;

/** Samples pulls of manifests, for the webhooks that subscribe to them. */
export class PullSamples {
  /** Whether any webhook wants pulls. */
  wanted = false;
  readonly #sampler = new LogSampler(SAMPLING);
  #held: ToldEvent[] = [];

  note({ method, path, route, status, user }: EndedRequest): void {
    if (!this.wanted || method !== 'GET' || status !== 200 || !route.endsWith('/manifests/:reference'))
      return;
    const [, repository = '', reference = ''] = MANIFEST_PATH.exec(path) ?? [];
    const unnoted = this.#sampler.take();
    if (unnoted === undefined || this.#held.length >= MOST_SAMPLES) return;
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

  /** Returns the pulls since the last call. */
  take(): readonly ToldEvent[] {
    const held = this.#held;
    this.#held = [];
    return held;
  }
}
