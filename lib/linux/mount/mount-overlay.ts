import { closeSync, readSync } from 'node:fs';
import { mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import {
  callInThread,
  checkResult,
  type MountLibrary,
  mountLibrary,
  SystemCallError,
} from '../mount-library.ts';
import { runProcess } from '../process/run-process.ts';

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
  /** An empty folder for short names, needed only on kernels before 6.7. */
  readonly scratch: string;
}

/**
 * Mounts an overlay, without device files. Redirects and metacopy marks are neither made nor followed: a layer is
 * untrusted and could carry such attributes. Throws SystemCallError, or Error with the kernel's reason.
 */
export async function mountOverlay(request: OverlayRequest): Promise<void> {
  if (request.lower.length < 1 || request.lower.length > MAX_OVERLAY_LAYERS) {
    throw new RangeError(
      `an overlay has 1 to ${MAX_OVERLAY_LAYERS} lower layers, not ${request.lower.length}`,
    );
  }
  const features = await overlayFeatures();
  const { contexts } = mountLibrary();
  if (contexts === undefined || !takesSingleLayers(release())) await mountOverlayByNames(request, features);
  else await mountOverlayByContext(contexts, request, features);
}

/**
 * Reports whether overlay supports `lowerdir+`, by the kernel's release: earlier kernels take it for a part of the
 * options.
 */
export function takesSingleLayers(kernelRelease: string): boolean {
  const [major = 0, minor = 0] = kernelRelease.split('.').map((part) => Number.parseInt(part, 10));
  return major > 6 || (major === 6 && minor >= 7);
}

/** Mount options that the running kernel supports, with their values. */
export type OverlayFeatures = readonly (readonly [string, string])[];

const SAFE_FEATURES = { redirect_dir: 'nofollow', metacopy: 'off', index: 'off' } as const;

/** Older kernels refuse options that they do not know. */
async function overlayFeatures(): Promise<OverlayFeatures> {
  const known = new Set(
    await readdir('/sys/module/overlay/parameters').catch((error: NodeJS.ErrnoException) => {
      // The first mount loads the module; a kernel that has overlay as a module is recent enough for all three.
      if (error.code === 'ENOENT') return Object.keys(SAFE_FEATURES);
      throw error;
    }),
  );
  return Object.entries(SAFE_FEATURES).filter(([name]) => known.has(name));
}

/**
 * Mounts with mount(8). The options of mount(2) must fit in one page, so the layers get the names 0, 1 … in a folder of
 * links that is the working directory of mount(8). util-linux 2.41 truncates options at 255 bytes unless told to use
 * mount(2). Throws Error.
 */
export async function mountOverlayByNames(request: OverlayRequest, features: OverlayFeatures): Promise<void> {
  const names = await mkdtemp(join(request.scratch, 'mount-'));
  try {
    await Promise.all([
      ...request.lower.map((folder, index) => symlink(folder, join(names, index.toString(36)))),
      symlink(request.upper, join(names, 'upper')),
      symlink(request.work, join(names, 'work')),
    ]);
    const lower = request.lower.map((_, index) => index.toString(36)).join(':');
    const extra = features.map(([key, value]) => `,${key}=${value}`).join('');
    const result = await runProcess(
      'mount',
      [
        '-i',
        '-t',
        'overlay',
        '-o',
        `nodev,lowerdir=${lower},upperdir=upper,workdir=work${extra}`,
        'overlay',
        request.target,
      ],
      { cwd: names, env: { ...process.env, LIBMOUNT_FORCE_MOUNT2: 'always' }, timeout: 60_000 },
    );
    if (result.exitCode !== 0) {
      throw new Error(`cannot mount the overlay on ${request.target}: ${result.stderr.trim()}`);
    }
  } finally {
    await rm(names, { recursive: true, force: true });
  }
}

const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;
const MOUNT_ATTR_NODEV = 4;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const AT_FDCWD = -100;

/**
 * Adds the layers one by one, so that the page limit on options does not apply. Throws SystemCallError, or Error with
 * the kernel's reason.
 */
export async function mountOverlayByContext(
  contexts: NonNullable<MountLibrary['contexts']>,
  request: OverlayRequest,
  features: OverlayFeatures,
): Promise<void> {
  const what = `cannot mount the overlay on ${request.target}`;
  const context = contexts.fsopen('overlay', FSOPEN_CLOEXEC);
  checkResult(what, context);
  try {
    const set = (key: string, value: string) =>
      contexts.fsconfig(context, FSCONFIG_SET_STRING, key, value, 0);
    for (const folder of request.lower) checkResult(`${what}: layer ${folder}`, set('lowerdir+', folder));
    checkResult(what, set('upperdir', request.upper));
    checkResult(what, set('workdir', request.work));
    checkResult(what, set('source', 'overlay'));
    for (const [key, value] of features) checkResult(`${what}: ${key}`, set(key, value));
    await callInThread(what, contexts.fsconfig, context, FSCONFIG_CMD_CREATE, null, null, 0);
    const mounted = checkResult(what, contexts.fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV));
    try {
      checkResult(what, contexts.moveMount(mounted, '', AT_FDCWD, request.target, MOVE_MOUNT_F_EMPTY_PATH));
    } finally {
      closeSync(mounted);
    }
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    const reason = lastReason(context);
    throw reason === '' ? error : new Error(`${error.message}: ${reason}`, { cause: error });
  } finally {
    closeSync(context);
  }
}

/** Reads the kernel's messages from the context's log (fsopen(2)), without their level letters. */
function lastReason(context: number): string {
  const reasons: string[] = [];
  const buffer = Buffer.alloc(4096);
  for (;;) {
    try {
      const length = readSync(context, buffer);
      if (length <= 0) break;
      reasons.push(
        buffer
          .toString('utf8', 0, length)
          .trim()
          .replace(/^[ewi] /, ''),
      );
    } catch {
      break;
    }
  }
  return reasons.join('; ');
}
