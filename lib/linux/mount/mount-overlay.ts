import { readdir } from 'node:fs/promises';
import { release } from 'node:os';
import { mountLibrary } from '../mount-library.ts';
import { mountOverlayByContext } from './mount-overlay-context.ts';
import { mountOverlayByNames } from './mount-overlay-names.ts';

/** The kernel's OVL_MAX_STACK. */
export const MAX_OVERLAY_LAYERS = 500;

/** Folders of an overlay mount, absolute paths. */
export interface OverlayRequest {
  /** The top layer first, 1 to 500 folders. */
  readonly lower: readonly string[];
  readonly upper: string;
  /** Empty, on the file system of `upper`. */
  readonly work: string;
  readonly target: string;
  /** An empty place for short names, needed on kernels before 6.7 only. */
  readonly scratch: string;
}

/**
 * Mounts an overlay, without device files. Redirects and metacopy marks are neither made nor followed: a layer is a
 * stranger's and could carry such attributes. Throws SystemCallError or Error with the kernel's reason.
 */
export async function mountOverlay(request: OverlayRequest): Promise<void> {
  if (request.lower.length < 1 || request.lower.length > MAX_OVERLAY_LAYERS) {
    throw new RangeError(
      `an overlay has 1 to ${MAX_OVERLAY_LAYERS} lower layers, and ${request.lower.length} were asked for`,
    );
  }
  const features = await overlayFeatures();
  const { contexts } = mountLibrary();
  if (contexts === undefined || !takesSingleLayers(release())) await mountOverlayByNames(request, features);
  else await mountOverlayByContext(contexts, request, features);
}

/** Whether overlay knows `lowerdir+`, by the kernel's release: earlier ones would take it for a part of the options. */
export function takesSingleLayers(kernelRelease: string): boolean {
  const [major = 0, minor = 0] = kernelRelease.split('.').map((part) => Number.parseInt(part, 10));
  return major > 6 || (major === 6 && minor >= 7);
}

/** Options with their values, those that the running kernel knows. */
export type OverlayFeatures = readonly (readonly [string, string])[];

const SAFE_FEATURES = { redirect_dir: 'nofollow', metacopy: 'off', index: 'off' } as const;

/** Older kernels refuse options that they do not know. */
async function overlayFeatures(): Promise<OverlayFeatures> {
  const known = new Set(
    await readdir('/sys/module/overlay/parameters').catch((error: NodeJS.ErrnoException) => {
      // The module is loaded by the first mount; a kernel that has it as a module is recent enough for all three.
      if (error.code === 'ENOENT') return Object.keys(SAFE_FEATURES);
      throw error;
    }),
  );
  return Object.entries(SAFE_FEATURES).filter(([name]) => known.has(name));
}
