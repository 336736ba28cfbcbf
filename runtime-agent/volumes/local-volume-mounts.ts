import { closeSync } from 'node:fs';
import type { HostMounts } from '../../lib/linux/mount/host-mounts.ts';
import { type MountFlag, readMounts, unmount } from '../../lib/linux/mount/mount.ts';
import { KeyedLock } from '../../lib/sync/semaphore.ts';
import { parseMountOptions } from './mount-options.ts';
import { cannotMount, mountFileSystem, mountFolder } from './mount-volume.ts';
import type { Volumes } from './volume.ts';
import type { HeldVolume, VolumeMounts } from './volume-mounts.ts';
import { type VolumePlace, volumePlace } from './volume-options.ts';

const PLAIN: HeldVolume = { readOnly: false, flags: [], isOfHost: false };
/** Flags of a mount rather than of its file system: a bind mount of it has its own. */
const CARRIED: ReadonlySet<MountFlag> = new Set<MountFlag>([
  'nosuid',
  'nodev',
  'noexec',
  'noatime',
  'nodiratime',
]);

/** Mounts in the agent's own mount namespace, which outlives it. */
export class LocalVolumeMounts implements VolumeMounts {
  readonly #volumes: Pick<Volumes, 'get' | 'list'>;
  readonly #hostMounts: HostMounts;
  readonly #parts: string;
  readonly #locks = new KeyedLock();
  readonly #holders = new Map<string, Set<string>>();

  /** Folders of the host are mounted in `parts` on their way into a volume. */
  constructor(volumes: Pick<Volumes, 'get' | 'list'>, hostMounts: HostMounts, parts: string) {
    this.#volumes = volumes;
    this.#hostMounts = hostMounts;
    this.#parts = parts;
  }

  async hold(name: string, container: string): Promise<HeldVolume> {
    const { options, mountpoint } = await this.#volumes.get(name);
    const place = volumePlace(options);
    if (place.kind === 'own') return PLAIN;
    if (place.kind === 'folder') {
      const fd = await this.#hostMounts.open(place.folder);
      if (fd === undefined) {
        throw cannotMount(place.folder, mountpoint, options.o ?? '', 'no such file or directory', undefined);
      }
      closeSync(fd);
      return { ...PLAIN, isOfHost: true };
    }
    await this.#locks.run(name, async () => {
      // Checked each time: running containers may hold it in a namespace that the agent has lost.
      if (!(await isMounted(mountpoint))) await this.#mount(place, mountpoint);
      this.resume(name, container);
    });
    const { flags } = parseMountOptions(place.options);
    return {
      readOnly: flags.includes('ro'),
      flags: flags.filter((flag) => CARRIED.has(flag)),
      isOfHost: false,
    };
  }

  resume(name: string, container: string): void {
    this.#holders.set(name, (this.#holders.get(name) ?? new Set()).add(container));
  }

  async #mount(place: Extract<VolumePlace, { kind: 'mount' }>, target: string): Promise<void> {
    const { flags } = parseMountOptions(place.options);
    if (!flags.includes('bind')) return await mountFileSystem(place, target, this.#hostMounts);
    const { device } = place;
    const refuse = (reason: string, cause?: unknown) =>
      cannotMount(device, target, place.options, reason, cause);
    const held = await this.#hostMounts
      .hold(device, flags.includes('recursive'), 'private', this.#parts)
      .catch((cause: Error) => {
        throw refuse(cause.message, cause);
      });
    if (held === undefined) throw refuse('no such file or directory');
    try {
      await mountFolder(place, target, held.path);
    } finally {
      await held.release();
    }
  }

  async release(container: string): Promise<void> {
    for (const [name, holders] of this.#holders) {
      if (!holders.has(container)) continue;
      await this.#locks.run(name, async () => {
        holders.delete(container);
        if (holders.size > 0) return;
        this.#holders.delete(name);
        const volume = await this.#volumes.get(name).catch(() => undefined);
        if (volume !== undefined && volumePlace(volume.options).kind === 'mount') {
          await unmount(volume.mountpoint, { detach: true });
        }
      });
    }
  }

  async settle(): Promise<void> {
    for (const { name, options, mountpoint } of await this.#volumes.list()) {
      if (volumePlace(options).kind !== 'mount' || this.#holders.has(name)) continue;
      await unmount(mountpoint, { detach: true });
    }
  }
}

async function isMounted(folder: string): Promise<boolean> {
  return (await readMounts()).some(({ mountPoint }) => mountPoint === folder);
}
