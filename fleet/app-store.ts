import type { Digest } from '../oci/digest.ts';
import type { App, Cause, Placement, Release, ReleaseState } from './release.ts';
import type { AppSpec, LabelConstraint, PinnedImage } from './service.ts';

/** All of a release but what the store adds. */
export interface NewRelease {
  readonly app: string;
  readonly spec: AppSpec;
  readonly images: Readonly<Record<string, PinnedImage>>;
  readonly secrets: Readonly<Record<string, number>>;
  readonly cause: Cause;
  readonly createdAt: Date;
}

/** What a new release changes of its app. */
export interface AppChange {
  readonly on?: readonly LabelConstraint[];
  readonly follow?: App['follow'];
}

export interface ReleaseEnd {
  readonly state: ReleaseState;
  readonly reason?: string;
  readonly at: Date;
  /** Revision of the rollout that ended; nothing changes when the app has another one by now. */
  readonly revision?: number;
  /** Where the app is from now on; hosts that were removed are left out. */
  readonly placements?: readonly Placement[];
}

/** As in ReleaseEnd. */
export type MoveEnd = Required<Pick<ReleaseEnd, 'revision'>> & Pick<ReleaseEnd, 'placements'>;

/** An app that follows tags. */
export interface Follower {
  readonly name: string;
  /** Number of different tags that the images of its latest release have. */
  readonly tags: number;
}

/** The state of a rollout as its driver keeps it, so that another replica can take over: JSON, versioned by the driver. */
export interface StoredRollout {
  readonly app: string;
  readonly release: number;
  readonly state: unknown;
  /** Rises with each change; for `GET …/rollout?after=`. */
  readonly revision: number;
}

/** The number of the latest release of each app, by app. */
export type LatestReleases = ReadonlyMap<string, number>;

/** Makes the state of the rollout of a new release, given that of the rollout before; it must be pure. */
export type BeginRollout = (release: number, before: unknown) => unknown;

/** A version of a secret, sealed for the key of the registry: age, in base64. */
export interface StoredSecret {
  readonly name: string;
  readonly version: number;
  readonly sealed: string;
  readonly createdAt: Date;
  readonly createdBy: string;
}

/**
 * Apps, releases, rollouts and secrets. An app begins with its first release; a release never changes but for its
 * state:
 *
 *     const { number } = await apps.createRelease(release, { on, follow: 'following' }, latest, begin);
 *     await apps.endRelease(app, number, { state: 'done', at: now });   // app.current is now this one
 *
 * The images of the current release, of one that is rolling, and of the KEPT_RELEASES before are roots of garbage
 * collection. Each method is one transaction. Every implementation passes test/contract/app-store.ts.
 */
export interface AppStore {
  list(): Promise<readonly App[]>;
  find(app: string): Promise<App | undefined>;
  /**
   * Makes the next release and, with the first, the app. A release that was rolling becomes `superseded`. Throws
   * AppError, and nothing changes: 'changed' when the latest release is not `latest` (0: the app must be new),
   * 'others-changed' when another app has a release that `others` does not name, 'image-gone' when an image of this registry
   * is not there, 'too-many'. `begin` makes the state of its rollout, which takes the place of the one before.
   */
  createRelease(
    release: NewRelease,
    change: AppChange,
    latest: number,
    begin?: BeginRollout,
    others?: LatestReleases,
  ): Promise<Release>;
  findRelease(app: string, number: number): Promise<Release | undefined>;
  /** Those of these that are there, in no order. */
  findReleases(wanted: readonly Pick<Release, 'app' | 'number'>[]): Promise<readonly Release[]>;
  /** States of the latest releases, by app. */
  latestStates(): Promise<ReadonlyMap<string, ReleaseState>>;
  /** Newest first, at most `limit`, of those before `before`. */
  releases(app: string, limit: number, before?: number): Promise<readonly Release[]>;
  setReleaseState(app: string, number: number, state: ReleaseState, reason?: string): Promise<void>;
  /**
   * Ends a rollout, and its release if that has not ended; answers false, and nothing else changed, when it had. `done`
   * makes it the app's current one.
   */
  endRelease(app: string, number: number, end: ReleaseEnd): Promise<boolean>;
  /** Throws AppError 'unknown'. */
  change(app: string, change: AppChange): Promise<void>;
  /**
   * Removes the app with its releases, placements and secrets, and from the targets of hosts. Answers the IDs of those hosts;
   * undefined when there is no such app.
   */
  remove(app: string): Promise<readonly string[] | undefined>;
  /** Apps that follow, and whose latest release has an image of this repository and tag; by name. */
  followers(repository: string, tag: string): Promise<readonly Follower[]>;

  placements(app: string): Promise<readonly Placement[]>;
  /** Of all apps that have any, by app. */
  allPlacements(): Promise<ReadonlyMap<string, readonly Placement[]>>;

  /** The last rollout of each app, or, if `going`, of those whose end is not recorded. */
  rollouts(which?: { readonly going: boolean }): Promise<readonly StoredRollout[]>;
  findRollout(app: string): Promise<StoredRollout | undefined>;
  /** The rollout goes on until its end is recorded. Throws AppError 'changed' unless the revision follows the stored one. */
  saveRollout(rollout: StoredRollout): Promise<void>;
  /** Records the end of a rollout that is of no new release; nothing changes when the app has another revision by now. */
  endMove(app: string, end: MoveEnd): Promise<void>;

  /**
   * Answers the new version, which no release of the app has named before, also when the secret was removed meanwhile.
   * Throws AppError 'too-many'.
   */
  setSecret(app: string, secret: Omit<StoredSecret, 'version'>): Promise<number>;
  /** The newest version of each. */
  secrets(app: string): Promise<readonly StoredSecret[]>;
  /**
   * All versions that are kept: the newest two of each secret, and those that the current, the latest and the KEPT_RELEASES
   * before name.
   */
  secretVersions(app: string): Promise<readonly Pick<StoredSecret, 'name' | 'version'>[]>;
  findSecret(app: string, name: string, version: number): Promise<StoredSecret | undefined>;
  /** With all versions. Throws AppError 'in-use' for one that the current release names, or one that is rolling. */
  removeSecret(app: string, name: string): Promise<boolean>;

  /** The apps that hold a manifest, of their current, rolling or kept releases, whichever image or index leads to it. */
  holders(digest: Digest, repository?: string): Promise<readonly ImageHolder[]>;
}

export interface ImageHolder {
  readonly app: string;
  readonly release: number;
  readonly service: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest: Digest;
  /** False: kept for a rollback only. */
  readonly runs: boolean;
}

/** Releases before the current one whose images are kept. */
export const KEPT_RELEASES = 5;

export type AppErrorCode = 'changed' | 'image-gone' | 'in-use' | 'others-changed' | 'too-many' | 'unknown';

/** A refusal of an AppStore. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: AppErrorCode;

  constructor(code: AppErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
