import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type CleanupScope, defer } from './cleanup.ts';
import { makeTempDir } from './temp-dir.ts';

export const INSIDE = 'of the tree';
export const OUTSIDE = 'of the host';
/** In the tree, at the path that `outside` has on the host. */
export const MIRRORED = 'of the tree, at a path of the host';

/** A tree that an attacker made to read or write files of the host. */
export interface HostileTree {
  /** The tree's folder. */
  readonly root: string;
  /** A folder of the host with the file `file` in it, which nothing may reach. */
  readonly outside: string;
  /** Paths of the tree, all ASCII, that lead over links of many forms to folders with the file `file`. */
  readonly links: readonly string[];
  /** Paths that lead by links to the path of `outside`: in the tree to a folder whose file is MIRRORED, on the host to OUTSIDE. */
  readonly hostPaths: readonly string[];
}

/**
 * Makes a folder for each name out of one byte, alone and within others, and links that lead there by relative, absolute and
 * climbing targets. Under the name that each becomes when it is decoded and encoded again lies a link to the host.
 */
export async function makeHostileTree(scope: CleanupScope): Promise<HostileTree> {
  const outside = await makeTempDir(scope, 'outside');
  await writeFile(join(outside, 'file'), OUTSIDE);
  const root = join(await makeTempDir(scope, 'hostile'), 'root');
  await mkdir(root);
  const links: string[] = [];
  const all = names();
  for (const [index, name] of all.entries()) {
    const folder = at(root, name);
    await mkdir(folder);
    await mkdir(at(folder, name));
    for (const place of [folder, at(folder, name)]) {
      await writeFile(at(place, Buffer.from('file')), INSIDE);
      for (const twin of twinsOf(name, all)) await symlink(outside, at(place, twin)).catch(unlessThere);
    }
    for (const twin of twinsOf(name, all)) await symlink(outside, at(root, twin)).catch(unlessThere);
    for (const [form, target] of targetsOf(name).entries()) {
      await symlink(target, join(root, `l${index}-${form}`));
      links.push(`/l${index}-${form}`);
    }
    // A link at each component: the folder's own link leads to the folder in it.
    await symlink(name, at(folder, Buffer.from('deeper')));
    links.push(`/l${index}-0/deeper`, `/l${index}-1/../l${index}-2/deeper/../deeper`);
  }
  const mirror = join(root, outside);
  await mkdir(mirror, { recursive: true });
  await writeFile(join(mirror, 'file'), MIRRORED);
  await symlink(outside, join(root, 'to-host'));
  await symlink(join(outside, 'file'), join(root, 'to-host-file'));
  await symlink(`${'../'.repeat(20)}${outside}`, join(root, 'climbs-to-host'));
  await symlink('/', join(root, 'to-root'));
  const hostPaths = ['/to-host', '/climbs-to-host', `/to-root${outside}`];
  return { root, outside, links, hostPaths };
}

/** A folder of a tree that an attacker swaps for a link to the host, and back, until `end`. */
export interface SwappedFolder extends Pick<HostileTree, 'root' | 'outside'> {
  /** Paths of the tree that lead to the folder. */
  readonly paths: readonly string[];
  end(): Promise<void>;
}

/** Starts the thread that swaps. */
export async function swapFolder(scope: CleanupScope): Promise<SwappedFolder> {
  const outside = await makeTempDir(scope, 'outside');
  await writeFile(join(outside, 'file'), OUTSIDE);
  const root = await makeTempDir(scope, 'swapped');
  const folder = join(root, 'swapped');
  await mkdir(folder);
  await writeFile(join(folder, 'file'), INSIDE);
  await symlink(outside, `${folder}.link`);
  await symlink('../../../swapped', join(root, 'climbing'));
  const worker = new Worker(SWAP, { eval: true, workerData: folder });
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  defer(scope, async () => {
    await worker.terminate();
  });
  await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  const end = async () => {
    worker.postMessage('end');
    await ended;
  };
  return { root, outside, paths: ['/swapped', '/climbing'], end };
}

/** A mounted folder cannot be renamed. */
const SWAP = `
  const { renameSync } = require('node:fs');
  const { parentPort, workerData: at } = require('node:worker_threads');
  const rename = (from, to) => { try { renameSync(from, to); } catch {} };
  let ends = false;
  parentPort.on('message', () => { ends = true; });
  const swap = () => {
    for (let count = 0; count < 200; count += 1) {
      rename(at, at + '.folder'); rename(at + '.link', at);
      rename(at, at + '.link'); rename(at + '.folder', at);
    }
    if (ends) parentPort.close(); else setImmediate(swap);
  };
  parentPort.postMessage('begun');
  swap();
`;

/** Every byte but `/`, the end of a name and the ASCII letters, of which one is enough; and what has a meaning elsewhere. */
function names(): readonly Buffer[] {
  const bytes = Array.from({ length: 255 }, (_, index) => index + 1).filter(
    (byte) => byte !== 0x2f && byte !== 0x2e && !/[b-zB-Z1-9]/.test(String.fromCharCode(byte)),
  );
  return [
    ...bytes.map((byte) => Buffer.from([byte])),
    ...[0xff, 0xc3, 0x0a, 0x5c, 0x25].map((byte) => Buffer.from([0x78, byte, 0x79])),
    Buffer.from('...'),
    Buffer.from('%2e%2e'),
    Buffer.from('\ud55c', 'utf8'),
    // Too long an encoding of a slash, half of a surrogate pair, and a code point that there is not.
    Buffer.from([0xc0, 0xaf]),
    Buffer.from([0xed, 0xa0, 0x80]),
    Buffer.from([0xf7, 0xbf, 0xbf, 0xbf]),
    Buffer.alloc(255, 0xfe),
  ];
}

/** What a name becomes by other encodings, where that is a name and another one. */
function twinsOf(name: Buffer, others: readonly Buffer[]): readonly Buffer[] {
  return [
    Buffer.from(name.toString('utf8'), 'utf8'),
    Buffer.from(name.toString('latin1'), 'utf8'),
    Buffer.from(name.toString('ascii'), 'latin1'),
  ].filter(
    (twin) =>
      twin.length <= 255 &&
      !twin.includes(0) &&
      !twin.includes(0x2f) &&
      !/^\.*$/.test(String(twin)) &&
      !others.some((other) => other.equals(twin)),
  );
}

function targetsOf(name: Buffer): readonly Buffer[] {
  const climb = Buffer.from('../'.repeat(20));
  const slash = Buffer.from('/');
  return [
    name,
    Buffer.concat([slash, name]),
    Buffer.concat([climb, name]),
    Buffer.concat([slash, climb, name, Buffer.from('/..//./'), name, slash]),
  ];
}

function at(folder: string | Buffer, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(folder), Buffer.from('/'), name]);
}

function unlessThere(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}
