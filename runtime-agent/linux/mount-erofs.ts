import { mount } from './mount.ts';

/**
 * Mounts an EROFS index over the tar that holds its data, read-only, with neither device files nor set-uid. Needs Linux 6.12 (file-backed
 * mounts). Throws SystemCallError.
 */
export async function mountErofs(request: {
  readonly index: string;
  readonly tar: string;
  readonly target: string;
}): Promise<void> {
  await mount({
    source: request.index,
    target: request.target,
    type: 'erofs',
    flags: ['ro', 'nodev', 'nosuid'],
    data: `device=${request.tar}`,
  });
}
