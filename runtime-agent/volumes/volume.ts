/** A named folder of this host that outlives the containers that use it. */
export interface Volume {
  readonly name: string;
  /** RFC 3339, UTC. */
  readonly createdAt: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Options of the driver `local`: none, or `type`, `device` and `o` of what is mounted while the volume is used. */
  readonly options: Readonly<Record<string, string>>;
  /** Made for one container without a name: it goes with `docker rm -v` and `docker volume prune`. */
  readonly anonymous: boolean;
  /** The folder that containers see: the volume's own, or the host's that the options of a bind name. */
  readonly mountpoint: string;
}

/** The label by which dockerd marks volumes that nobody named. */
export const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';

export interface VolumeRequest {
  /** '' or undefined: the agent invents one, and the volume is anonymous. */
  readonly name?: string;
  readonly driver?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly options?: Readonly<Record<string, string>>;
  /** It is not made: one that is not there is an error. */
  readonly mustExist?: true;
}

/**
 * The volumes of this host. One that is not there: EngineError 'not-found' (`get NAME: no such volume`). A volume is in use
 * from `acquire` to `release`, whether or not the container runs. Events go to the EventBus.
 */
export interface Volumes {
  /** Makes a volume, or answers the one of that name. Throws EngineError 'bad-request', 'not-found' (driver). */
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
  /** With its content. Throws EngineError 'conflict' while it is in use; with `force`, one that is not there is no error. */
  remove(name: string, force: boolean): Promise<void>;
}
