import { closeSync, constants, fstatSync } from 'node:fs';
import { type InRoot, O_PATH, readFileAt } from '../../../lib/linux/files/in-root.ts';
import { evaluateLinks } from './evaluate-links.ts';
import { statAt } from './tree-files.ts';
import type { FoundPath, LookUpRequest } from './tree-tar.ts';

/** Errors of a path with a missing component, or a loop of links. */
const MISSING: ReadonlySet<unknown> = new Set(['ENOENT', 'ELOOP']);
/** The same, or a component that is not a folder. */
const ABSENT: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

/** Looks a path up in the calling thread. See TreeTars.lookUp. */
export function lookUp(inRoot: InRoot, request: LookUpRequest): FoundPath | undefined {
  const { root, path: text } = request;
  const path = parsePathInTree(text);
  try {
    const folder = inRoot.open(root, path.parent, O_PATH | constants.O_DIRECTORY);
    try {
      const stat = path.name === '' ? fstatSync(folder, { bigint: true }) : statAt(folder, path.name);
      if (stat === undefined) return undefined;
      const whole = path.name === '' ? path.parent : `${path.parent}/${path.name}`;
      const resolved = evaluateLinks(inRoot, root, whole);
      return {
        name: utf8(path.name),
        shown: utf8(path.shown),
        mode: stat.mode,
        size: Number(stat.size),
        mtime: stat.mtimeNs,
        isLink: stat.isSymbolicLink(),
        resolved: resolved === undefined ? undefined : utf8(resolved),
        resolvedBytes: resolved ?? whole,
        leadsToFolder: leadsToFolder(inRoot, root, resolved ?? whole),
        ...(request.opensParent && {
          parent: inRoot.open(root, path.parent, constants.O_RDONLY | constants.O_DIRECTORY),
        }),
      };
    } finally {
      closeSync(folder);
    }
  } catch (error) {
    if (MISSING.has((error as NodeJS.ErrnoException).code)) return undefined;
    throw error;
  }
}

/** Reads a small file of a tree as text; '' if it is missing. */
export function readText(inRoot: InRoot, root: number, path: string, limit: number): string {
  return readFileAt(inRoot, root, Buffer.from(path).toString('latin1'), limit)?.toString('utf8') ?? '';
}

function leadsToFolder(inRoot: InRoot, root: number, path: string): boolean {
  let fd: number;
  try {
    fd = inRoot.open(root, path, O_PATH);
  } catch (error) {
    if (ABSENT.has((error as NodeJS.ErrnoException).code)) return false;
    throw error;
  }
  try {
    return fstatSync(fd).isDirectory();
  } finally {
    closeSync(fd);
  }
}

function utf8(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** A path of a tree, split the way `docker cp` interprets it. Each character is one byte. */
interface PathInTree {
  /** The parent of the last name; '' is the root. */
  readonly parent: string;
  /** '' if the path ends with `/` or `/.`, or is the root: then it names `parent` itself, links followed. */
  readonly name: string;
  /** The name of the file in a tar. */
  readonly shown: string;
}

/** Splits a path, cleaned like Go's path.Clean. */
export function parsePathInTree(text: string): PathInTree {
  const bytes = Buffer.from(text, 'utf8').toString('latin1');
  const names: string[] = [];
  for (const part of bytes.split('/')) {
    if (part === '..') names.pop();
    else if (part !== '' && part !== '.') names.push(part);
  }
  const last = names.at(-1);
  const whole = names.join('/');
  // Such a path names the folder itself, as in Go's path.Base: trailing slashes do not count.
  if (/(?:^|\/)\.\/*$/.test(bytes)) return { parent: whole, name: '', shown: '.' };
  if (last === undefined) return { parent: '', name: '', shown: '/' };
  if (bytes.endsWith('/')) return { parent: whole, name: '', shown: last };
  return { parent: names.slice(0, -1).join('/'), name: last, shown: last };
}
