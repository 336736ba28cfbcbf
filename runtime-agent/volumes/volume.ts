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
  /** The folder that containers see: the volume's own, or the host's that the options of a bind name. */
  readonly mountpoint: string;
}

/** dockerd's label for anonymous volumes. */
export const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';

export interface VolumeRequest {
  /** '' or undefined: the agent invents one, and the volume is anonymous. */
  readonly name?: string;
  readonly driver?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly options?: Readonly<Record<string, string>>;
  /** Never creates it: a missing one is an error. */
  readonly mustExist?: true;
}

/**
 * The volumes of this host. A missing one: EngineError 'not-found' (`get NAME: no such volume`). A volume is in use
 * from `acquire` to `release`, whether or not the container runs. Events go to the EventBus.
 */
export interface Volumes {
  /**
   * Creates a volume, or returns the existing one with that name. Throws EngineError 'bad-request', 'not-found'
   * (driver).
   */
  create(request: VolumeRequest): Promise<Volume>;
  /** As create, and the container uses it from then on. */
  acquire(request: VolumeRequest, containerId: string): Promise<Volume>;
  /** The container, which an earlier agent made, uses the volume; nothing when it is gone. */
  resume(name: string, containerId: string): void;
  /** The container uses it no longer. */
  release(name: string, containerId: string): void;
  get(name: string): Promise<Volume>;
  /** By name. */
  list(): Promise<readonly Volume[]>;
  /** The containers that use it. */
  users(name: string): readonly string[];
  /**
   * Removes a volume with its content. Throws EngineError 'conflict' while it is in use; with `force`, a missing one is
   * not an error.
   */
  remove(name: string, force: boolean): Promise<void>;
}
