import { closeSync, readSync } from 'node:fs';
import { callInThread, checkResult, type MountLibrary, SystemCallError } from '../mount-library.ts';
import type { OverlayFeatures, OverlayRequest } from './mount-overlay.ts';

const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;
const MOUNT_ATTR_NODEV = 4;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const AT_FDCWD = -100;

/** Adds the layers one by one, so that no length of options limits them. Throws SystemCallError, or Error with the kernel's reason. */
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

/** What the kernel has written to the context's log (fsopen(2)), without its level letters. */
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
