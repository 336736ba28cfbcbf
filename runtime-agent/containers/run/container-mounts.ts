import { closeSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import type { Logger } from 'pino';
import { openInRoot } from '../../../lib/linux/files/in-root.ts';
import type { Libc } from '../../../lib/linux/libc.ts';
import {
  type HeldPath,
  type HeldPropagation,
  holdPath,
  releaseHeld,
} from '../../../lib/linux/mount/held-path.ts';
import type { HostMounts } from '../../../lib/linux/mount/host-mounts.ts';
import { EngineError, isEngineError } from '../../errors.ts';
import type { OciMount } from '../../oci-runner/bundle.ts';
import type { CopyUp } from '../../volumes/copy-up.ts';
import type { Volumes } from '../../volumes/volume.ts';
import { holdsContent } from '../../volumes/volume-filling.ts';
import type { VolumeMounts } from '../../volumes/volume-mounts.ts';
import { volumePlace } from '../../volumes/volume-options.ts';
import type { ContainerConfig, ContainerInfo, MountPoint } from '../container-info.ts';
import type { HostConfig } from '../host-config.ts';
import { type MountPlan, planMountPoints } from '../plan/mount-points.ts';
import { checkProcMounts, checkProcMountsIn, checkPropagation, tmpfsPlaces } from './check-mounts.ts';

/** The mounts of a container's mount points. Close it once the runtime has made them. */
export interface OpenedMounts {
  readonly mounts: readonly OciMount[];
  close(): Promise<void>;
}

export interface ContainerMountsDeps {
  readonly volumes: Volumes;
  readonly volumeMounts: VolumeMounts;
  readonly copyUp: CopyUp;
  readonly hostMounts: HostMounts;
  readonly libc: Libc;
  /** Contains a mount for each opened source. */
  readonly partsFolder: string;
  /** Absolute path of the agent's data folder. */
  readonly dataFolder: string;
}

/**
 * The volumes and binds of containers. A container acquires them when it is created and releases them when it is
 * removed; in between, each run opens their sources, and at its end releases the file systems of its volumes.
 */
export class ContainerMounts {
  readonly partsFolder: string;
  readonly #deps: ContainerMountsDeps;

  constructor(deps: ContainerMountsDeps) {
    this.partsFolder = deps.partsFolder;
    this.#deps = deps;
  }

  /**
   * Acquires the volumes of a container and checks its binds. `inherited` are the mount points of VolumesFrom. Releases all
   * of them when one fails. Throws EngineError 'bad-request'.
   */
  async acquire(
    id: string,
    config: ContainerConfig,
    hostConfig: HostConfig,
    inherited: readonly MountPoint[],
  ): Promise<readonly MountPoint[]> {
    const points: MountPoint[] = [];
    const plans = planMountPoints(config, hostConfig, inherited, this.#deps.dataFolder);
    checkProcMounts([...plans.map(placeOf), ...tmpfsPlaces(hostConfig)]);
    try {
      for (const plan of plans) points.push(await this.#acquireOne(id, plan));
    } catch (error) {
      await this.release(id, points, true);
      throw error;
    }
    return points;
  }

  /**
   * Releases the volumes of a container. With `removes`, removes its anonymous volumes that no other container uses, except
   * those that the client named.
   */
  async release(id: string, points: readonly MountPoint[], removes: boolean): Promise<void> {
    const { volumes } = this.#deps;
    for (const { name, isNamed } of points) {
      if (name === undefined) continue;
      volumes.release(name, id);
      if (!removes || isNamed || volumes.users(name).length > 0) continue;
      const volume = await volumes.get(name).catch(unlessMissing);
      if (volume?.anonymous) await volumes.remove(name, true);
    }
  }

  /**
   * Reports whether `fill` may find one of them empty: a volume that is mounted on use looks empty, and a part of one
   * may be.
   */
  async hasEmpty(points: readonly MountPoint[]): Promise<boolean> {
    for (const { source, copyUp, subpath } of points) {
      if (!copyUp) continue;
      if (subpath !== '') return true;
      const names = await readdir(source, { encoding: 'latin1' }).catch(() => []);
      if (!holdsContent(names)) return true;
    }
    return false;
  }

  /**
   * Fills the empty volumes of a new container from its mounted image. As with dockerd, containers that mount a volume by
   * VolumesFrom or by its name find the content there before the container has run. Throws EngineError.
   */
  async fill({ id, mounts: points }: Pick<ContainerInfo, 'id' | 'mounts'>, rootfs: string): Promise<void> {
    const parts: HeldPath[] = [];
    try {
      for (const point of points.filter(({ copyUp }) => copyUp)) {
        // A volume that nothing is copied to need not be mounted before the container runs.
        const folder = openInRoot(this.#deps.libc, rootfs, point.destination, 'folder');
        if (folder === undefined) continue;
        closeSync(folder);
        await this.#openSource(id, point, rootfs, 'view', parts).catch(couldNotFill);
      }
    } finally {
      for (const part of parts.reverse()) await part.release();
      await this.endRun(id);
    }
  }

  /**
   * Opens the sources of mount points, and fills empty volumes that still need it. Sources of the host are cloned from
   * its mount namespace and mounted separately; the clone for a `view` is never shared, so that unmounting it unmounts
   * nothing on the host. A part of a volume is mounted separately, so that it cannot be replaced by a link to a folder
   * of the host. The container holds its volumes until `endRun`. Throws EngineError 'bad-request', or 'runtime' for a
   * volume that cannot be mounted.
   */
  async open(
    { id, mounts: points, hostConfig }: ContainerInfo,
    rootfs: string,
    purpose: 'run' | 'view',
  ): Promise<OpenedMounts> {
    const { hostMounts, dataFolder } = this.#deps;
    const checked = await checkPropagation(hostMounts, { mounts: points, hostConfig }, dataFolder);
    const parts: HeldPath[] = [];
    const close = async () => {
      for (const part of parts.splice(0).reverse()) await part.release();
    };
    try {
      const mounts: OciMount[] = [];
      for (const point of checked) mounts.push(await this.#openSource(id, point, rootfs, purpose, parts));
      checkProcMountsIn(rootfs, [...mounts, ...tmpfsPlaces(hostConfig)]);
      return { mounts, close };
    } catch (error) {
      await close();
      throw error;
    }
  }

  /** Releases the file systems of a container's volumes after a run or view. */
  async endRun(id: string): Promise<void> {
    await this.#deps.volumeMounts.release(id);
  }

  /**
   * Unmounts the sources that a killed agent had opened, and finishes or undoes its copies into volumes. `resume` for
   * each container and then `settle` must follow. Returns the folders of volumes by their names.
   */
  async recover(log: Logger): Promise<ReadonlyMap<string, string>> {
    await releaseHeld(this.partsFolder);
    const volumes = await this.#deps.volumes.list();
    for (const { name, mountpoint, options } of volumes) {
      if (volumePlace(options).kind !== 'own') continue;
      await this.#deps.copyUp.settle(mountpoint).catch((err: unknown) => {
        log.error({ volume: name, err }, 'an interrupted copy into a volume could not be finished or undone');
      });
    }
    return new Map(volumes.map(({ name, mountpoint }) => [name, mountpoint]));
  }

  /** Takes over the volumes of a container of an earlier agent; with `runs` also their file systems. */
  resume({ id, mounts }: ContainerInfo, runs: boolean): void {
    for (const { name } of mounts) {
      if (name === undefined) continue;
      this.#deps.volumes.resume(name, id);
      if (runs) this.#deps.volumeMounts.resume(name, id);
    }
  }

  /** Unmounts the file systems of volumes that no container holds. */
  async settle(): Promise<void> {
    await this.#deps.volumeMounts.settle();
  }

  /** Opens the source of a mount point, and fills it if needed. Adds the parts that it holds to `parts`. */
  async #openSource(
    id: string,
    point: MountPoint,
    rootfs: string,
    purpose: 'run' | 'view',
    parts: HeldPath[],
  ): Promise<OciMount> {
    if (point.type === 'bind') await this.#ensureSource(point.source);
    const held = point.name === undefined ? undefined : await this.#deps.volumeMounts.hold(point.name, id);
    const writable = point.writable && held?.readOnly !== true;
    const isOfHost = point.type === 'bind' || held?.isOfHost === true;
    const whole = isOfHost ? await this.#holdOfHost(point, purpose) : undefined;
    if (whole !== undefined) parts.push(whole);
    const folder = whole?.path ?? point.source;
    const part = point.subpath === '' ? undefined : await this.#holdPart(folder, point.subpath);
    if (part !== undefined) parts.push(part);
    const source = part?.path ?? folder;
    if (point.copyUp && held?.readOnly !== true && part?.isFolder !== false) {
      await this.#deps.copyUp.fill(point.source, rootfs, point.destination, source);
    }
    return bindMount({ ...point, writable }, source, held?.flags);
  }

  async #acquireOne(id: string, { from, ...point }: MountPlan): Promise<MountPoint> {
    if (from.kind === 'volume') {
      const volume = await this.#deps.volumes.acquire(from.request, id);
      return { ...point, name: volume.name, source: volume.mountpoint };
    }
    if (from.missing === 'make') await this.#ensureSource(from.path);
    else {
      const fd = await this.#deps.hostMounts.open(from.path).catch((cause) => {
        throw unusable(from.path, cause);
      });
      if (fd === undefined) {
        throw new EngineError(
          'bad-request',
          `invalid mount config for type "bind": bind source path does not exist: ${from.path}`,
        );
      }
      closeSync(fd);
    }
    return { ...point, source: from.path };
  }

  /** Makes a missing `-v` source as a folder, as dockerd does. An existing file is kept. */
  async #ensureSource(path: string): Promise<void> {
    await this.#deps.hostMounts.ensureFolder(path).catch((cause) => {
      throw unusable(path, cause);
    });
  }

  /** Throws EngineError 'bad-request'. */
  async #holdOfHost(
    { source, recursive, propagation }: MountPoint,
    purpose: 'run' | 'view',
  ): Promise<HeldPath> {
    const kept = heldPropagation(propagation);
    const held = await this.#deps.hostMounts
      .hold(source, recursive, purpose === 'view' && kept === 'shared' ? 'slave' : kept, this.partsFolder)
      .catch((cause) => {
        throw unusable(source, cause);
      });
    if (held !== undefined) return held;
    throw unusable(source, new Error('it was removed meanwhile'));
  }

  /** Throws EngineError 'bad-request'. */
  async #holdPart(volume: string, subpath: string): Promise<HeldPath> {
    if (subpath.startsWith('/') || subpath.split('/').includes('..')) {
      throw new EngineError('bad-request', `subpath "${subpath.slice(0, 200)}" must stay inside the volume`);
    }
    const shown = subpath.slice(0, 200);
    const { libc } = this.#deps;
    const held = await holdPath(libc, volume, subpath, this.partsFolder, 'refused').catch((cause) => {
      if ((cause as NodeJS.ErrnoException).code !== 'EXDEV') throw cause;
      const why = `path concatenation escapes the base directory: a link leads ${shown} out of the volume`;
      throw new EngineError('bad-request', why, { cause });
    });
    if (held !== undefined) return held;
    throw new EngineError(
      'bad-request',
      `cannot access path ${shown}: the volume does not have it: create it first`,
    );
  }
}

function placeOf({ destination, from }: MountPlan) {
  return { destination, type: 'bind', source: from.kind === 'bind' ? from.path : (from.request.name ?? '') };
}

function heldPropagation(propagation: MountPoint['propagation']): HeldPropagation {
  if (propagation.endsWith('shared')) return 'shared';
  return propagation.endsWith('slave') ? 'slave' : 'private';
}

/** Returns a bind mount that includes submounts; if they are unwanted, a source of the host was opened without them. */
function bindMount(point: MountPoint, source: string, flags: readonly string[] = []): OciMount {
  const options = [
    'rbind',
    point.propagation === '' ? 'rprivate' : point.propagation,
    // `rro` includes submounts, as in dockerd since version 25.
    point.writable ? 'rw' : point.below === 'writable' ? 'ro' : 'rro',
    ...flags,
  ];
  return { destination: point.destination, type: 'bind', source, options };
}

/** A subpath that cannot be mounted is reported at the start, as with dockerd. */
function couldNotFill(error: unknown): void {
  if (!isEngineError(error)) throw error;
  if (error.code === 'bad-request') return;
  throw new EngineError(error.code, `failed to populate volume: ${error.message}`, { cause: error });
}

function unusable(path: string, cause: unknown): EngineError {
  const { message } = cause as Error;
  return new EngineError('bad-request', `the folder ${path} of the host cannot be mounted: ${message}`, {
    cause,
  });
}

function unlessMissing(error: unknown): undefined {
  if (isEngineError(error) && error.code === 'not-found') return undefined;
  throw error;
}
