import { Semaphore } from '../../../lib/sync/semaphore.ts';
import type { Digest } from '../../../oci/digest.ts';
import type { LayerCompressor } from '../../images/compression/layer-compressor.ts';
import { shortDigest } from '../../images/resolve-image.ts';
import type { BuildProgress, SentForm } from '../builder.ts';
import { internalStep } from '../internal-step.ts';

export interface EarlyCompressionOptions {
  readonly compressor: Pick<LayerCompressor, 'forms'>;
  /** How the layers will leave this host. */
  readonly forms: readonly SentForm[];
  readonly baseLayers: ReadonlySet<Digest>;
  /** Called with each compressed layer; never rejects. */
  readonly upload: (diffId: Digest) => Promise<void>;
  readonly progress: (step: BuildProgress) => void;
  readonly signal: AbortSignal;
}

/** Reports the number of bytes of layers that are done. */
type Report = (diffId: Digest, done: number) => void;

/**
 * Compresses the layers of a build while its later steps run, one at a time, each on all processors. Then it uploads
 * them, while compressing others. If a layer cannot be compressed now, its later user gets the error.
 */
export class EarlyCompression {
  readonly #options: EarlyCompressionOptions;
  readonly #turn = new Semaphore(1);
  readonly #begun = new Map<Digest, Promise<void>>();
  #waiting = 0;
  #report: Report | undefined;

  constructor(options: EarlyCompressionOptions) {
    this.#options = options;
  }

  /** Starts with a layer that is here; the build holds it. */
  begin(diffId: Digest): void {
    if (this.#options.forms.length === 0 || this.#begun.has(diffId)) return;
    this.#waiting += 1;
    const work = this.#compress(diffId)
      .then(() => this.#options.upload(diffId))
      .catch(() => undefined)
      .finally(() => {
        this.#waiting -= 1;
      });
    this.#begun.set(diffId, work);
  }

  /** Resolves when everything that was started is compressed and uploaded; shown as a step if it has to wait. */
  async finish(): Promise<void> {
    if (this.#waiting === 0) return;
    await internalStep('compressing and uploading layers', this.#options.progress, async (step) => {
      this.#report = (diffId, done) => step.transferred(`compressing layer ${shortDigest(diffId)}`, done);
      await this.settle();
    });
  }

  /** Resolves when no layer is being compressed or uploaded any more. */
  async settle(): Promise<void> {
    await Promise.all(this.#begun.values());
  }

  async #compress(diffId: Digest): Promise<void> {
    const { compressor, forms, baseLayers, signal } = this.#options;
    for (const { keeps, ...form } of forms) {
      await this.#turn.hold(signal, async () => {
        await compressor.forms({
          ...form,
          diffIds: [diffId],
          keeps: () => keeps === 'all' || (keeps === 'base' && baseLayers.has(diffId)),
          progress: (layer, done) => this.#report?.(layer, done),
          signal,
        });
      });
    }
  }
}
