import { openLoopDevice } from './loop-device.ts';
import { mount } from './mount.ts';

/** An EROFS image, and the tar with its data if the image is only an index. */
export interface ErofsMount {
  readonly image: string;
  readonly device?: string;
  readonly target: string;
}

/** Mounts an image read-only, with neither device files nor set-uid. Throws SystemCallError. */
export type ErofsMounter = (request: ErofsMount) => Promise<void>;

/** Mounts the files directly: Linux 6.12. */
export const mountErofsFiles: ErofsMounter = async ({ image, device, target }) => {
  await mount({
    source: image,
    target,
    type: 'erofs',
    flags: ['ro', 'nodev', 'nosuid'],
    ...(device !== undefined && { data: `device=${device}` }),
  });
};

/** Mounts through loop devices, which are freed with the mount: for older kernels. */
export const mountErofsByLoop: ErofsMounter = async ({ image, device, target }) => {
  const source = openLoopDevice(image);
  try {
    const data = device === undefined ? undefined : openLoopDevice(device);
    try {
      await mountErofsFiles({
        image: source.path,
        ...(data !== undefined && { device: data.path }),
        target,
      });
    } finally {
      data?.close();
    }
  } finally {
    source.close();
  }
};
