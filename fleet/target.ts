import type { NetworkSpec, PinnedImage, ServiceSpec, VolumeSpec } from './service.ts';

/**
 * Everything that a host should run: it acts on this alone, stores it on disk, and continues without the registry. Two
 * targets of a host with the same generation are the same; a later one has a higher generation.
 *
 *     { generation: 7, apps: [{ app: 'team/shop', attempt: 1, release: { number: 12, … }, … }] }
 *
 * An app that is missing from a new target is removed from the host: its instances stop, its volumes stay.
 */
export interface HostTarget {
  readonly generation: number;
  readonly apps: readonly AppTarget[];
}

export interface AppTarget {
  readonly app: string;
  readonly release: ReleaseTarget;
  /**
   * Incremented whenever the registry sets the app's release again, so that a report about it differs from an older
   * one. A host that has failed then retries; healthy instances with the hash of the target stay unchanged.
   */
  readonly attempt: number;
  /**
   * The release was healthy before, as in a rollback: it counts as healthy once requests are routed to it. The old
   * instances stop afterwards, and nothing is watched.
   */
  readonly proven?: boolean;
  /** Timeout of an attempt, milliseconds. */
  readonly timeout: number;
  /** The traceparent of the rollout (W3C Trace Context), for the spans of the host; absent unless it is traced. */
  readonly trace?: string;
  /** Images of the next release: pulled, not started. */
  readonly prefetch: readonly PinnedImage[];
  /** Images that a rollback needs: they are not pruned. */
  readonly keep: readonly PinnedImage[];
}

export interface ReleaseTarget {
  readonly number: number;
  /** Services with instances or jobs on this host, in the order of the file. */
  readonly services: readonly ServiceTarget[];
  readonly volumes: readonly VolumeSpec[];
  readonly networks: readonly NetworkSpec[];
  readonly configs: readonly { readonly name: string; readonly content: string }[];
  readonly secrets: readonly SealedSecret[];
}

export interface ServiceTarget {
  readonly spec: ServiceSpec;
  readonly image: PinnedImage;
  /** Numbers of the instances on this host; `[1]` for a job that runs here. */
  readonly instances: readonly number[];
  readonly job: boolean;
  /**
   * Hash of everything that defines an instance: image, specification, versions of its secrets and content of its
   * configurations. An instance of an older release with the same hash is kept and counts as one of this release.
   */
  readonly hash: string;
}

/** A secret encrypted to this host alone: age, in base64. */
export interface SealedSecret {
  readonly name: string;
  readonly version: number;
  readonly sealed: string;
}

/** Returns the registry's repositories that a host needs for its target. */
export function repositoriesOf({ apps }: HostTarget): readonly string[] {
  const images = apps.flatMap(({ release, prefetch, keep }) => [
    ...release.services.map(({ image }) => image),
    ...prefetch,
    ...keep,
  ]);
  return [
    ...new Set(images.flatMap(({ registry, repository }) => (registry === undefined ? repository : []))),
  ];
}
