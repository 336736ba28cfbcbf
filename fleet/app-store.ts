import type { Digest } from '../oci/digest.ts';
import type { App, Cause, Placement, Release, ReleaseState } from './release.ts';
import type { AppSpec, LabelConstraint, PinnedImage } from './service.ts';

/** A release without the fields that the store adds. */
export interface NewRelease {
  readonly app: string;
  readonly spec: AppSpec;
  readonly images: Readonly<Record<string, PinnedImage>>;
  readonly secrets: Readonly<Record<string, number>>;
  readonly cause: Cause;
  readonly createdAt: Date;
}

/** Changes of the app that come with a new release. */
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
  /** Placements from now on; removed hosts are left out. */
  readonly placements?: readonly Placement[];
}

/** As in ReleaseEnd. */
export type MoveEnd = Required<Pick<ReleaseEnd, 'revision'>> & Pick<ReleaseEnd, 'placements'>;

/** An app that follows tags. */
export interface Follower {
  readonly name: string;
  /** Number of different tags among the images of its latest release. */
  readonly tags: number;
}

/** The stored state of a rollout, with which another replica can continue it: JSON, versioned by its driver. */
export interface StoredRollout {
  readonly app: string;
  readonly release: number;
  readonly state: unknown;
  /** Rises with each change; for `GET …/rollout?after=`. */
  readonly revision: number;
}

/** The number of the latest release of each app, by app. */
export type LatestReleases = ReadonlyMap<string, number>;

/** Makes the state of the rollout of a new release, given the previous state. Pure. */
export type BeginRollout = (release: number, before: unknown) => unknown;

/** A version of a secret, encrypted to the registry's key: age, in base64. */
export interface StoredSecret {
  readonly name: string;
  readonly version: number;
  readonly sealed: string;
  readonly createdAt: Date;
  readonly createdBy: string;
}

/**
 * Apps, releases, rollouts and secrets. The first release creates the app; a release never changes except its state:
 *
 *     const { number } = await apps.createRelease(release, { on, follow: 'following' }, latest, begin);
 *     await apps.endRelease(app, number, { state: 'done', at: now });   // app.current is now this one
 *
 * The images of the current release, of a rolling one, and of the KEPT_RELEASES before are roots of garbage collection.
 * Each method is one transaction. Every implementation passes test/contract/app-store.ts.
 */
export interface AppStore {
  list(): Promise<readonly App[]>;
  find(app: string): Promise<App | undefined>;
  /**
   * Creates the next release and, with the first, the app. A rolling release becomes `superseded`. Throws AppError, and
   * nothing changes: 'changed' when the latest release is not `latest` (0: the app must be new), 'others-changed' when
   * another app has a release that `others` does not name, 'image-gone' when an image of this registry does not exist,
   * 'too-many'. `begin` makes the state of its rollout, which replaces the previous one.
   */
  createRelease(
    release: NewRelease,
    change: AppChange,
    latest: number,
    begin?: BeginRollout,
    others?: LatestReleases,
  ): Promise<Release>;
  findRelease(app: string, number: number): Promise<Release | undefined>;
  /** Returns those of the wanted releases that exist, in no order. */
  findReleases(wanted: readonly Pick<Release, 'app' | 'number'>[]): Promise<readonly Release[]>;
  /** Returns the states of the latest releases, by app. */
  latestStates(): Promise<ReadonlyMap<string, ReleaseState>>;
  /** Lists releases newest first, at most `limit`, older than `before`. */
  releases(app: string, limit: number, before?: number): Promise<readonly Release[]>;
  setReleaseState(app: string, number: number, state: ReleaseState, reason?: string): Promise<void>;
  /**
   * Ends a rollout, and its release if that has not ended. Returns false, and changes nothing else, when the release
   * had ended. `done` makes it the app's current release.
   */
  endRelease(app: string, number: number, end: ReleaseEnd): Promise<boolean>;
  /** Throws AppError 'unknown'. */
  change(app: string, change: AppChange): Promise<void>;
  /**
   * Removes the app with its releases, placements and secrets, and from the targets of hosts. Returns the IDs of those
   * hosts; undefined when there is no such app.
   */
  remove(app: string): Promise<readonly string[] | undefined>;
  /** Lists by name the apps that follow tags and whose latest release has an image of this repository and tag. */
  followers(repository: string, tag: string): Promise<readonly Follower[]>;

  placements(app: string): Promise<readonly Placement[]>;
  /** Returns the placements of all apps that have any, by app. */
  allPlacements(): Promise<ReadonlyMap<string, readonly Placement[]>>;

  /** Returns the last rollout of each app; with `going`, only rollouts whose end is not recorded. */
  rollouts(which?: { readonly going: boolean }): Promise<readonly StoredRollout[]>;
  findRollout(app: string): Promise<StoredRollout | undefined>;
  /**
   * Saves a rollout, which continues until its end is recorded. Throws AppError 'changed' unless the revision follows
   * the stored one.
   */
  saveRollout(rollout: StoredRollout): Promise<void>;
  /** Records the end of a rollout without a new release; nothing changes when the app has another revision by now. */
  endMove(app: string, end: MoveEnd): Promise<void>;

  /**
   * Returns the new version, which no earlier release of the app names, even when the secret was removed meanwhile.
   * Throws AppError 'too-many'.
   */
  setSecret(app: string, secret: Omit<StoredSecret, 'version'>): Promise<number>;
  /** Returns the newest version of each. */
  secrets(app: string): Promise<readonly StoredSecret[]>;
  /**
   * Lists all stored versions: the newest two of each secret, and those that the current, the latest and the
   * KEPT_RELEASES before name.
   */
  secretVersions(app: string): Promise<readonly Pick<StoredSecret, 'name' | 'version'>[]>;
  findSecret(app: string, name: string, version: number): Promise<StoredSecret | undefined>;
  /** Removes a secret with all versions. Throws AppError 'in-use' when the current or a rolling release names it. */
  removeSecret(app: string, name: string): Promise<boolean>;

  /** Lists the apps that hold a manifest, directly or through an index, by their current, rolling or kept releases. */
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

/** Number of releases before the current one whose images are kept. */
export const KEPT_RELEASES = 5;

export type AppErrorCode = 'changed' | 'image-gone' | 'in-use' | 'others-changed' | 'too-many' | 'unknown';

/** An AppStore refuses a request. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: AppErrorCode;

  constructor(code: AppErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
