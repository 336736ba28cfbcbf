import { imageKey } from '../../fleet/host-plan/host-app.ts';
import type { PinnedImage } from '../../fleet/service.ts';
import type { FleetContext } from './fleet-context.ts';

const FIRST_PAUSE = 2000;
const LONGEST_PAUSE = 60_000;

/** Pulls the images of the next release. Failures are not reported: it retries until the images change. */
export class Prefetch {
  readonly #context: FleetContext;
  readonly #onDone: () => void;
  #keys = '';
  #round = new AbortController();
  #isDone = true;

  /** `onDone` is called when all images are on this host. */
  constructor(context: FleetContext, onDone: () => void) {
    this.#context = context;
    this.#onDone = onDone;
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  setImages(images: readonly PinnedImage[]): void {
    const keys = images.map(imageKey).sort().join(' ');
    if (keys === this.#keys) return;
    this.#keys = keys;
    this.#round.abort();
    this.#round = new AbortController();
    this.#isDone = images.length === 0;
    if (!this.#isDone) void this.#fetch(images, this.#round.signal, FIRST_PAUSE);
  }

  close(): void {
    this.#round.abort();
  }

  async #fetch(images: readonly PinnedImage[], signal: AbortSignal, pause: number): Promise<void> {
    try {
      for (const image of images) await this.#context.pull(image, undefined, signal);
      if (signal.aborted) return;
      this.#isDone = true;
      this.#onDone();
    } catch (err) {
      if (signal.aborted) return;
      this.#context.engine.log.info({ err }, 'an image of a release to come cannot be fetched yet');
      const again = () => void this.#fetch(images, signal, Math.min(2 * pause, LONGEST_PAUSE));
      const timer = setTimeout(again, pause);
      signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
    }
  }
}
