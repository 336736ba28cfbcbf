import { copyUp } from '../../volumes/copy-up.ts';
import { type HeldPart, holdPart } from '../../volumes/held-part.ts';
import type { Container, MountPoint } from '../container.ts';
import type { OciMount } from '../plan/oci-types.ts';
import { ensureSource } from './acquire-mounts.ts';
import type { ContainerContext } from './context.ts';

/** The mounts of a container's mount points. `close` when the runtime has made them. */
export interface OpenedMounts {
  readonly mounts: readonly OciMount[];
  close(): Promise<void>;
}

/**
 * Fills volumes that are empty, and finds the sources. Part of a volume is mounted apart, so that nobody who writes to
 * the volume can put a link to a folder of the host in its place. Throws EngineError 'bad-request'.
 */
export async function openMountSources(
  context: ContainerContext,
  container: Container,
  rootfs: string,
): Promise<OpenedMounts> {
  const held: HeldPart[] = [];
  const close = async () => {
    for (const part of held.splice(0)) await part.release();
  };
  try {
    const mounts: OciMount[] = [];
    for (const point of container.mounts) {
      if (point.type === 'bind') await ensureSource(point.source);
      if (point.copyUp && point.subpath === '') {
        await copyUp(context.libc, rootfs, point.destination, point.source);
      }
      if (point.subpath === '') mounts.push(bindMount(point, point.source));
      else {
        const part = await holdPart(context.libc, point.source, point.subpath, context.paths.parts);
        held.push(part);
        mounts.push(bindMount(point, part.path));
      }
    }
    return { mounts, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function bindMount(point: MountPoint, source: string): OciMount {
  const options = [
    point.recursive ? 'rbind' : 'bind',
    point.propagation === '' ? 'rprivate' : point.propagation,
    // Also what is mounted below it, as dockerd does since version 25.
    point.writable ? 'rw' : point.recursive ? 'rro' : 'ro',
  ];
  return { destination: point.destination, type: 'bind', source, options };
}
