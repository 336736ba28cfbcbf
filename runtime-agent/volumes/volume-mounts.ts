import type { MountFlag } from '../../lib/linux/mount/mount.ts';

/** The volume's own options that its mount in a container must repeat. */
export interface HeldVolume {
  readonly readOnly: boolean;
  readonly flags: readonly MountFlag[];
  /** Whether it is a folder of the host, outside the agent's mount namespace. */
  readonly isOfHost: boolean;
}

/**
 * The file systems in volumes' options (`type=nfs`, `type=tmpfs`, a bind with options …). Each is mounted on the
 * volume's folder from its first holder to its last. Holding a volume without such options does nothing.
 */
export interface VolumeMounts {
  /**
   * Holds the content of the volume for the container until `release`. Throws EngineError 'runtime' with dockerd's
   * message if it cannot be mounted, or the host folder of the volume does not exist.
   */
  hold(volume: string, container: string): Promise<HeldVolume>;
  /** Holds the content for a container that has been running since an earlier agent. */
  resume(volume: string, container: string): void;
  /** Releases all volumes of the container. */
  release(container: string): Promise<void>;
  /** Unmounts an earlier agent's mounts without holders; after the last `resume`. */
  settle(): Promise<void>;
}
