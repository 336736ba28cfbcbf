import { Semaphore } from '../../../lib/sync/semaphore.ts';
import type { Digest } from '../../../oci/digest.ts';
import type { RegistryCredentials } from '../../../oci/distribution/credentials/registry-credentials.ts';
import type { ImageReference } from '../../../oci/reference.ts';
import type { LayerTransfer } from '../../images/layer-transfer/layer-transfer.ts';
import { MAX_LAYER_UPLOADS } from '../../images/limits.ts';
import type { BuildSource } from '../builder.ts';

export interface EarlyUploadOptions {
  readonly transfer: Pick<LayerTransfer, 'send'>;
  readonly source: Pick<BuildSource, 'credentials'>;
  /** Where the image is pushed after the build. */
  readonly targets: readonly ImageReference[];
  readonly signal: AbortSignal;
}

/**
 * Uploads the layers of one build while its later steps run, to the repositories that the image is pushed to: the push after
 * the build finds them there and puts the manifest. After the first failure of a repository no more layers are sent to it; the
 * push uploads them and reports the error. An aborted upload is cancelled at the registry.
 */
export class EarlyUpload {
  readonly #options: EarlyUploadOptions;
  readonly #places = new Semaphore(MAX_LAYER_UPLOADS);
  readonly #repositories: readonly TargetRepository[];

  constructor(options: EarlyUploadOptions) {
    this.#options = options;
    const distinct = new Map(options.targets.map((one) => [`${one.registry}/${one.repository}`, one]));
    this.#repositories = [...distinct.values()].map((target) => ({
      target,
      isFailed: false,
      login: undefined,
    }));
  }

  /** Resolves when the layer is at each repository that takes it; never rejects. The build holds the layer. */
  async upload(diffId: Digest): Promise<void> {
    const { signal } = this.#options;
    await Promise.all(
      this.#repositories.map(async (repository) => {
        try {
          await this.#places.hold(signal, () => this.#uploadTo(repository, diffId));
        } catch {
          repository.isFailed = true;
        }
      }),
    );
  }

  async #uploadTo(repository: TargetRepository, diffId: Digest): Promise<void> {
    if (repository.isFailed) return;
    const { transfer, source, signal } = this.#options;
    const { target } = repository;
    repository.login ??= source.credentials(target.registry, signal);
    await transfer.send([diffId], target, await repository.login, () => undefined, signal);
  }
}

interface TargetRepository {
  readonly target: ImageReference;
  isFailed: boolean;
  /** Requested once, before the first upload. */
  login: Promise<RegistryCredentials | undefined> | undefined;
}
