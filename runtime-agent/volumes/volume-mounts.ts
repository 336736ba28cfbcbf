import type { MountFlag } from '../../lib/linux/mount/mount.ts';

/** What a mount of the volume in a container must have of the volume's own options, which it would not by itself. */
export interface HeldVolume {
  readonly readOnly: boolean;
  readonly flags: readonly MountFlag[];
  /** It is a folder of the host, to be found where the host has it. */
  readonly isOfHost: boolean;
}

/**
 * The file systems that volumes name by their options (`type=nfs`, `type=tmpfs`, a bind with options …). Each is mounted on
 * the volume's folder from its first holder to its last. Volumes without such options need none of this, and holding one
 * does nothing.
 */
export interface VolumeMounts {
  /**
   * The container needs the content of the volume until `release`. Throws EngineError 'runtime' in dockerd's words where it
   * cannot be mounted, and where the folder of the host that a volume stands for is not there.
   */
  hold(volume: string, container: string): Promise<HeldVolume>;
  /** The container, which runs since an earlier agent, needs it still. */
  resume(volume: string, container: string): void;
  /** The container needs none of its volumes any more. */
  release(container: string): Promise<void>;
  /** Unmounts what an earlier agent has mounted and nobody holds; after the last `resume`. */
  settle(): Promise<void>;
}
