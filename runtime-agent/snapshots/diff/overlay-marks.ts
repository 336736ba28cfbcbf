import type { BigIntStats } from 'node:fs';
import { WHITEOUT_PREFIX } from '../whiteout-names.ts';

/** A tree contains something that a layer cannot represent; the message says what, and what to do. */
export class UnusableTreeError extends Error {
  override readonly name = 'UnusableTreeError';
}

/** Prefixes of overlay's own attributes, as root and in user namespaces. */
const OVERLAY = ['trusted.overlay.', 'user.overlay.'];

/** Reports whether an attribute belongs to the file rather than to its host. */
export function isKept(name: string): boolean {
  if (OVERLAY.some((prefix) => name.startsWith(prefix))) return false;
  return name === 'security.capability' || name.startsWith('user.') || name.startsWith('system.posix_acl_');
}

/**
 * Reports whether overlay hides lower files with this name: a device 0/0, or an empty file with a mark (Linux,
 * filesystems/overlayfs.rst, "whiteouts and opaque directories").
 */
export function isWhiteout(stat: BigIntStats, xattrs: ReadonlyMap<string, string>): boolean {
  if (stat.isCharacterDevice()) return stat.rdev === 0n;
  return stat.isFile() && stat.size === 0n && OVERLAY.some((prefix) => xattrs.has(`${prefix}whiteout`));
}

/** Reports whether overlay hides all lower content of this folder. */
export function isOpaque(xattrs: ReadonlyMap<string, string>): boolean {
  return OVERLAY.some((prefix) => xattrs.get(`${prefix}opaque`) === 'y');
}

/** Throws UnusableTreeError for entries that a layer cannot represent: half files, renamed folders, reserved names. */
export function checkForLayer(path: string, name: string, xattrs: ReadonlyMap<string, string>): void {
  const shown = JSON.stringify(Buffer.from(path, 'latin1').toString('utf8'));
  if (name.startsWith(WHITEOUT_PREFIX)) {
    throw new UnusableTreeError(
      `${shown} cannot be in a layer, where a name that begins with ${WHITEOUT_PREFIX} marks a deletion: rename it`,
    );
  }
  for (const prefix of OVERLAY) {
    if (xattrs.has(`${prefix}metacopy`) || xattrs.has(`${prefix}redirect`)) {
      throw new UnusableTreeError(
        `${shown} was written by an overlay that leaves parts of files in the layers below`,
      );
    }
  }
}
