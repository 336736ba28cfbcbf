import { mount } from './mount.ts';

/**
 * Mounts an EROFS image, and the tar that holds its data where it is only an index, read-only, with neither device
 * files nor set-uid. Needs Linux 6.12 (file-backed mounts). Throws SystemCallError.
 */
export async function mountErofs(request: {
  readonly image: string;
  readonly device?: string;
  readonly target: string;
}): Promise<void> {
  await mount({
    source: request.image,
    target: request.target,
    type: 'erofs',
    flags: ['ro', 'nodev', 'nosuid'],
    ...(request.device !== undefined && { data: `device=${request.device}` }),
  });
}
