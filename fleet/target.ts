import type { NetworkSpec, PinnedImage, ServiceSpec, VolumeSpec } from './service.ts';

/**
 * What a host shall run, whole: it acts on this alone, keeps it on its disk, and goes on without the registry. Two
 * targets of a host with the same generation are the same; a later one has a higher generation.
 *
 *     { generation: 7, apps: [{ app: 'team/shop', attempt: 1, release: { number: 12, … }, … }] }
 *
 * An app that a target no longer has is taken off the host: its instances stop, its volumes stay.
 */
export interface HostTarget {
  readonly generation: number;
  readonly apps: readonly AppTarget[];
}

export interface AppTarget {
  readonly app: string;
  readonly release: ReleaseTarget;
  /**
   * Rises whenever the registry sets the app's release anew, so that a report about it is told from an older one. A host
   * that failed then tries again; healthy instances with the hash of the target stay as they are.
   */
  readonly attempt: number;
  /**
   * The release was healthy before, as for a rollback: it counts as healthy once requests are led to it. What it replaces
   * stops behind, and nothing is watched.
   */
  readonly proven?: boolean;
  /** Milliseconds that the host has for an attempt. */
  readonly timeout: number;
  /** Images of the release to come: pulled, not started. */
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
  /** Numbers of the instances that run here; for a job `[1]`: it runs here, once. */
  readonly instances: readonly number[];
  readonly job: boolean;
  /**
   * Hash of all that an instance is made of: image, specification, versions of its secrets and content of its
   * configurations. An instance of an older release with the same hash is kept and counts as one of this release.
   */
  readonly hash: string;
}

/** A secret that only this host can open: age, in base64. */
export interface SealedSecret {
  readonly name: string;
  readonly version: number;
  readonly sealed: string;
}

/** Returns the repositories of the registry itself that a host needs for its target. */
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
