import { stat } from 'node:fs/promises';
import { KeyedLock } from '../../lib/sync/keyed-lock.ts';
import { type MountFlag, readMounts, unmount } from '../linux/mount.ts';
import { parseMountOptions } from './mount-options.ts';
import { cannotMount, mountVolume } from './mount-volume.ts';
import type { Volumes } from './volume.ts';
import type { HeldVolume, VolumeMounts } from './volume-mounts.ts';
import { volumePlace } from './volume-options.ts';

const PLAIN: HeldVolume = { readOnly: false, flags: [] };
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
  readonly #locks = new KeyedLock();
  readonly #holders = new Map<string, Set<string>>();

  constructor(volumes: Pick<Volumes, 'get' | 'list'>) {
    this.#volumes = volumes;
  }

  async hold(name: string, container: string): Promise<HeldVolume> {
    const { options, mountpoint } = await this.#volumes.get(name);
    const place = volumePlace(options);
    if (place.kind === 'own') return PLAIN;
    if (place.kind === 'folder') {
      await stat(place.folder).catch((cause) => {
        throw cannotMount(place.folder, mountpoint, options.o ?? '', reasonOf(cause), cause);
      });
      return PLAIN;
    }
    await this.#locks.run(name, async () => {
      // Looked for each time: containers that run may hold it in a namespace that the agent has lost.
      if (!(await isMounted(mountpoint))) await mountVolume(place, mountpoint);
      this.resume(name, container);
    });
    const { flags } = parseMountOptions(place.options);
    return { readOnly: flags.includes('ro'), flags: flags.filter((flag) => CARRIED.has(flag)) };
  }

  resume(name: string, container: string): void {
    this.#holders.set(name, (this.#holders.get(name) ?? new Set()).add(container));
  }

  async letGo(container: string): Promise<void> {
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

function reasonOf(error: NodeJS.ErrnoException): string {
  return error.code === 'ENOENT' ? 'no such file or directory' : error.message;
}
