/** A named folder of this host that outlives the containers that use it. */
export interface Volume {
  readonly name: string;
  /** RFC 3339, UTC. */
  readonly createdAt: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Options of the driver `local`: none, or `type`, `device` and `o` of the mount while the volume is used. */
  readonly options: Readonly<Record<string, string>>;
  /** Created for one container without a name: `docker rm -v` and `docker volume prune` remove it. */
  readonly anonymous: boolean;
  /** The folder that containers see: the volume's own, or the host folder that the options of a bind name. */
  readonly mountpoint: string;
}

/** dockerd's label for anonymous volumes. */
export const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';

export interface VolumeRequest {
  /** '' or undefined makes the agent generate one; the volume is then anonymous. */
  readonly name?: string;
  readonly driver?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly options?: Readonly<Record<string, string>>;
  /** Whether a missing volume is an error; otherwise it is created. */
  readonly mustExist?: true;
}

/**
 * The volumes of this host. A missing one throws EngineError 'not-found' (`get NAME: no such volume`). A volume is in
 * use from `acquire` to `release`, whether or not the container runs. Events go to the EventBus.
 */
export interface Volumes {
  /**
   * Creates a volume, or returns the existing one with that name. Throws EngineError 'bad-request', 'not-found'
   * (driver).
   */
  create(request: VolumeRequest): Promise<Volume>;
  /** Like create; the container uses the volume from then on. */
  acquire(request: VolumeRequest, containerId: string): Promise<Volume>;
  /** Records that a container of an earlier agent uses the volume; does nothing if the volume is gone. */
  resume(name: string, containerId: string): void;
  /** Records that the container no longer uses the volume. */
  release(name: string, containerId: string): void;
  get(name: string): Promise<Volume>;
  /** By name. */
  list(): Promise<readonly Volume[]>;
  /** Returns the containers that use it. */
  users(name: string): readonly string[];
  /**
   * Removes a volume with its content. Throws EngineError 'conflict' while it is in use; with `force`, a missing one is
   * not an error.
   */
  remove(name: string, force: boolean): Promise<void>;
}
