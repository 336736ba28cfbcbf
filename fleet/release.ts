import type { AppSpec, LabelConstraint, PinnedImage } from './service.ts';

/**
 * A named unit of deployment, such as `team/shop`. Its name has the form of a repository name, and roles on that name
 * apply.
 */
export interface App {
  readonly name: string;
  /** Constraints on its hosts, all of which must hold. */
  readonly on: readonly LabelConstraint[];
  /**
   * `following`: moving a tag of one of its images creates a release. `held`: paused by a rollback to an older release,
   * until `berth follow`. `off`: disabled.
   */
  readonly follow: 'off' | 'following' | 'held';
  /** Number of the newest release; releases are numbered from 1. */
  readonly latest: number;
  /**
   * The release that hosts run, or roll back to: the newest that was healthy everywhere. Undefined before the first.
   */
  readonly current?: number;
  readonly createdAt: Date;
}

/** Why a release was created. `by` is the person, robot or job; '' for an anonymous one. */
export type Cause =
  | { readonly kind: 'deploy'; readonly by: string }
  | { readonly kind: 'push'; readonly by: string; readonly repository: string; readonly tag: string }
  | { readonly kind: 'rollback'; readonly by: string; readonly to: number }
  | { readonly kind: 'secret'; readonly by: string; readonly secret: string }
  | { readonly kind: 'restart'; readonly by: string; readonly service?: string }
  | { readonly kind: 'scale'; readonly by: string; readonly service: string; readonly replicas: number };

/**
 * The state of a release. `rolling`: the rollout is in progress. `done`: it was healthy on every available host.
 * `rolling back`: it failed, and the hosts return to the previous release. `rolled back`: the previous release was
 * healthy again. `rollback failed`: it was not. `failed`: the first release of an app failed, with nothing to roll back
 * to. `paused`: it failed and its policy is `pause`. `superseded`: a newer release replaced it before its end.
 */
export const RELEASE_STATES = [
  'rolling',
  'done',
  'rolling back',
  'rolled back',
  'rollback failed',
  'failed',
  'paused',
  'superseded',
] as const;
export type ReleaseState = (typeof RELEASE_STATES)[number];

/** Immutable except for its state: an app at one time, with every image pinned and every secret at one version. */
export interface Release {
  readonly app: string;
  readonly number: number;
  readonly spec: AppSpec;
  /** By service. */
  readonly images: Readonly<Record<string, PinnedImage>>;
  /** Versions by name of the secret. */
  readonly secrets: Readonly<Record<string, number>>;
  readonly cause: Cause;
  readonly createdAt: Date;
  readonly state: ReleaseState;
  /** Why it failed, in a sentence that names the host and service. */
  readonly reason?: string;
  readonly endedAt?: Date;
}

/** The instances of a service on one host. */
export interface Placement {
  readonly service: string;
  readonly host: string;
  /** Numbers of the instances on this host; numbering starts at 1 and spans all hosts of the service. */
  readonly instances: readonly number[];
}
