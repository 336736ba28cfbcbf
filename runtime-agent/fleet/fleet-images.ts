import type { PinnedImage } from '../../fleet/service.ts';
import type { AppTarget } from '../../fleet/target.ts';
import { Semaphore } from '../../lib/sync/semaphore.ts';
import { SingleFlight } from '../../lib/sync/single-flight.ts';
import type { RegistryCredentials } from '../../oci/distribution/credentials/registry-credentials.ts';
import { readReference } from '../../oci/distribution/errors.ts';
import { familiarReference } from '../../oci/reference.ts';
import type { ContainerInfo } from '../containers/container-info.ts';
import { isEngineError } from '../errors.ts';
import type { Image } from '../images/image.ts';
import { decodePlatform } from '../images/read-platform.ts';
import type { FleetEngine } from './fleet-context.ts';
import type { FleetStore } from './fleet-store.ts';

/** Maximum concurrent pulls; each fetches several layers. */
const MAX_PULLS = 3;

export interface FleetImagesOptions {
  readonly engine: FleetEngine;
  readonly store: FleetStore;
  /** `host[:port]` of the joined registry, as references name it. */
  readonly registry: string;
  /** The login of this host there. */
  readonly credentials: (signal: AbortSignal) => Promise<RegistryCredentials>;
}

/** The fleet's images on this host: pulled by digest, kept while a target names them, then removed. */
export class FleetImages {
  readonly #options: FleetImagesOptions;
  readonly #pulls = new Semaphore(MAX_PULLS);
  readonly #flights = new SingleFlight<string, never>();
  #roots: ReadonlySet<string> = new Set();

  constructor(options: FleetImagesOptions) {
    this.#options = options;
  }

  /** The reference of an image on this host. */
  reference({ registry, repository, digest }: PinnedImage): string {
    return `${registry ?? this.#options.registry}/${repository}@${digest}`;
  }

  /** Throws EngineError as Images.pull does, and the error of the login. */
  async pull(image: PinnedImage, platform: string | undefined, signal: AbortSignal): Promise<void> {
    const { engine, store, credentials } = this.#options;
    const reference = this.reference(image);
    await this.#flights.join(
      `${reference} ${platform ?? ''}`,
      signal,
      () => undefined,
      (work) =>
        this.#pulls.hold(work, async () => {
          // Recorded first: an interrupted pull is removed with the others.
          await store.addImage(reference);
          const wanted = decodePlatform(platform ?? null);
          await engine.images.pull(reference, {
            ...(wanted !== undefined && { platform: wanted }),
            ...(image.registry === undefined && { credentials: await credentials(work) }),
            discardsBlobs: true,
            progress: () => undefined,
            signal: work,
          });
        }),
    );
  }

  /** Sets the images to keep: those of the targets, including prefetch and rollback. */
  setTargets(targets: readonly AppTarget[]): void {
    const images = targets.flatMap(({ release, prefetch, keep }) => [
      ...release.services.map(({ image }) => image),
      ...prefetch,
      ...keep,
    ]);
    this.#roots = new Set(images.map((image) => familiar(this.reference(image))));
  }

  /** Reports whether a prune must keep an image. */
  isKept({ repoDigests }: Pick<Image, 'repoDigests'>): boolean {
    return repoDigests.some((name) => this.#roots.has(name));
  }

  /** Removes the fleet's images that are no longer needed, except those of containers. */
  async prune(containers: readonly ContainerInfo[]): Promise<void> {
    const { engine, store } = this.#options;
    const users = containers.map(({ id, imageId, config, state }) => ({
      containerId: id,
      imageId,
      imageName: config.Image,
      running: state.pid > 0,
    }));
    for (const reference of await store.images()) {
      if (this.#roots.has(familiar(reference))) continue;
      try {
        await engine.images.remove(reference, { force: false, users });
      } catch (error) {
        if (isEngineError(error) && error.code === 'conflict') continue;
        if (!(isEngineError(error) && error.code === 'not-found')) throw error;
      }
      await store.removeImage(reference);
    }
  }
}

function familiar(reference: string): string {
  return familiarReference(readReference(reference));
}
