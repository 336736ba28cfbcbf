import type { Logger } from 'pino';
import type { MetricSet } from '../../lib/metrics/metric-set.ts';
import type { WorkUnderWay } from '../../lib/watchdog/work-under-way.ts';
import type { Digest } from '../../oci/digest.ts';
import type { RegistryCredentials } from '../../oci/distribution/credentials/registry-credentials.ts';
import type { RegistryQueries } from '../../oci/distribution/registry-queries.ts';
import type { BuildCache } from '../builder/build-cache.ts';
import type { Builder } from '../builder/builder.ts';
import type { BuildkitApi } from '../builder/buildkit/buildkit-api.ts';
import type { ArchiveLimits } from '../builder/context/receive-archive.ts';
import type { ContainerControl, Containers } from '../containers/containers.ts';
import type { Execs } from '../containers/exec/execs.ts';
import type { ContainerArchive } from '../containers/files/container-archive.ts';
import type { ContainerTrees } from '../containers/files/container-trees.ts';
import type { ContainerStats } from '../containers/stats/container-stats.ts';
import type { EventBus } from '../events/event-bus.ts';
import type { ImageArchives } from '../images/archive/image-archives.ts';
import type { Image } from '../images/image.ts';
import type { Images } from '../images/images.ts';
import type { PendingImages } from '../images/pending/pending-images.ts';
import type { ImagePush } from '../images/push/image-push.ts';
import type { Networks } from '../networks/networks.ts';
import type { Volumes } from '../volumes/volume.ts';
import type { HostFacts } from './host-facts.ts';

/** Dependencies of the classic build API. */
export interface BuildDeps {
  readonly builder: Builder;
  readonly cache: BuildCache;
  /** Folder of contexts during builds, and their limits. */
  readonly contexts: { readonly directory: string; readonly limits: ArchiveLimits };
}

/** Moves files between containers, images and clients. */
export interface ContainerFilesDeps {
  readonly archive: ContainerArchive;
  readonly trees: ContainerTrees;
  readonly pendingImages: PendingImages;
  readonly archives: ImageArchives;
}

/** Dependencies of the Engine API. */
export interface EngineDeps {
  readonly images: Images;
  readonly push: ImagePush;
  readonly registryQueries: RegistryQueries;
  readonly containers: Containers;
  /** Absent if no files are copied in or out. */
  readonly files?: ContainerFilesDeps;
  readonly execs: Execs;
  readonly control: ContainerControl;
  readonly stats: ContainerStats;
  readonly volumes: Volumes;
  readonly networks: Networks;
  readonly events: EventBus;
  /** Both absent if nothing is built. */
  readonly build?: BuildDeps;
  readonly buildkit?: BuildkitApi;
  readonly host: HostFacts;
  /** Whether a prune must keep an image that no container uses, because the fleet needs it. */
  readonly keepsImage: (image: Image) => boolean;
  /** Bytes of a layer's files, 0 if it is not on this host. */
  readonly layerSize: (diffId: Digest) => Promise<number>;
  /**
   * Checks credentials with a registry (`docker login`), and returns its identity token; '' without one. Throws
   * EngineError 'unauthorized' or 'registry' when it refuses.
   */
  readonly checkLogin: (
    registry: string,
    credentials: RegistryCredentials,
    signal: AbortSignal,
  ) => Promise<{ readonly identityToken: string }>;
  readonly log: Logger;
  /** Receives running requests for the watchdog; absent if the watchdog is off. */
  readonly work?: WorkUnderWay;
  /** The answer of `/metrics`. */
  readonly metrics?: MetricSet;
  /** Aborted when the agent stops: every stream ends then, and every waiting call gives up. */
  readonly stopping: AbortSignal;
}
