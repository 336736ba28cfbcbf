import type { AppSpec, LabelConstraint, PinnedImage } from './service.ts';

/**
 * A named unit of deployment, such as `team/shop`. Its name is of the form of a repository's, and roles on it are the
 * roles on that name.
 */
export interface App {
  readonly name: string;
  /** The hosts that it may use: those that meet all of these. */
  readonly on: readonly LabelConstraint[];
  /**
   * `following`: a moved tag of one of its images makes a release. `held`: it would, but somebody went back to an older
   * release, until `berth follow`. `off`: it does not.
   */
  readonly follow: 'off' | 'following' | 'held';
  /** Number of the newest release; releases are numbered from 1. */
  readonly latest: number;
  /** The release that hosts run, or go back to: the newest that was healthy everywhere. Undefined before the first. */
  readonly current?: number;
  readonly createdAt: Date;
}

/** Why a release was made. `by` is the person, robot or job; '' when nobody was logged in. */
export type Cause =
  | { readonly kind: 'deploy'; readonly by: string }
  | { readonly kind: 'push'; readonly by: string; readonly repository: string; readonly tag: string }
  | { readonly kind: 'rollback'; readonly by: string; readonly to: number }
  | { readonly kind: 'secret'; readonly by: string; readonly secret: string }
  | { readonly kind: 'restart'; readonly by: string; readonly service?: string }
  | { readonly kind: 'scale'; readonly by: string; readonly service: string; readonly replicas: number };

/**
 * How a release fares. `rolling`: hosts are brought to it. `done`: it was healthy on every host that was there.
 * `rolling back`: it failed, and the hosts return to the release before. `rolled back`: that one was seen healthy.
 * `rollback failed`: it was not. `failed`: the first release of an app, which has nothing to go back to, failed.
 * `paused`: it failed and its policy says `pause`. `superseded`: a newer release took its place before its end.
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

/** Immutable but for its state: what an app is at one time, with every image pinned and every secret at one version. */
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
  /** Why it failed, in a sentence that names host and service. */
  readonly reason?: string;
  readonly endedAt?: Date;
}

/** Which hosts have which instances of a service. */
export interface Placement {
  readonly service: string;
  readonly host: string;
  /** Numbers of the instances on this host, from 1 over all hosts of the service. */
  readonly instances: readonly number[];
}
