import { closeSync, constants, readlinkSync } from 'node:fs';
import { type InRoot, O_PATH } from '../../../lib/linux/files/in-root.ts';
import { pathAt, statAt } from './tree-files.ts';

/** Maximum links on the way to a path, as in the kernel; more are a loop. */
const MAX_LINKS = 40;

/**
 * Resolves all links of a path inside `root`, including a missing rest; absolute, one character per byte. The result is
 * for a client, and may be outdated when it arrives. Undefined for a loop of links.
 */
export function evaluateLinks(inRoot: InRoot, root: number, path: string): string | undefined {
  let done: string[] = [];
  const ahead = path.split('/');
  for (let links = 0; ; ) {
    const name = ahead.shift();
    if (name === undefined) return `/${done.join('/')}`;
    if (name === '' || name === '.') continue;
    if (name === '..') {
      done.pop();
      continue;
    }
    const target = readLink(inRoot, root, done.join('/'), name);
    if (target === undefined) {
      done.push(name);
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) return undefined;
    if (target.startsWith('/')) done = [];
    ahead.unshift(...target.split('/'));
  }
}

/** Returns the target of a symlink; undefined for anything else. */
function readLink(inRoot: InRoot, root: number, parent: string, name: string): string | undefined {
  let folder: number;
  try {
    folder = inRoot.open(root, parent, O_PATH | constants.O_DIRECTORY);
  } catch {
    return undefined;
  }
  try {
    if (statAt(folder, name)?.isSymbolicLink() !== true) return undefined;
    return readlinkSync(pathAt(folder, name), { encoding: 'latin1' });
  } catch {
    // It has just been changed into something else.
    return undefined;
  } finally {
    closeSync(folder);
  }
}
