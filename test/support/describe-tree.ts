import { createHash } from 'node:crypto';
import { type BigIntStats, createReadStream, type Dirent } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { runCommand } from './run-command.ts';

/**
 * One line for each path below `directory` that says all that a layer can hold: kind, mode, owner, link count, device
 * number, link target, size and content, modification time of what is no folder, and extended attributes. Paths are
 * JSON strings. Overlay's own attributes are left out. Needs root.
 */
export async function describeTree(directory: string): Promise<ReadonlyMap<string, string>> {
  const xattrs = await readXattrs(directory);
  const lines = new Map<string, string>();
  const visit = async (folder: string) => {
    const entries: Dirent[] = await readdir(join(directory, folder), { withFileTypes: true });
    for (const { name } of entries) {
      const path = join(folder, name);
      const stat = await lstat(join(directory, path), { bigint: true });
      lines.set(path, [await describe(join(directory, path), stat), ...(xattrs.get(path) ?? [])].join(' '));
      if (stat.isDirectory()) await visit(path);
    }
  };
  await visit('');
  return new Map([...lines].sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function describe(path: string, stat: BigIntStats): Promise<string> {
  const owner = `${(stat.mode & 0o7777n).toString(8)} ${stat.uid}:${stat.gid}`;
  if (stat.isDirectory()) return `folder ${owner}`;
  const common = `${owner} links=${stat.nlink} mtime=${stat.mtimeMs}`;
  if (stat.isFile()) return `file ${common} ${stat.size} ${await contentHash(path)}`;
  if (stat.isSymbolicLink()) return `symlink ${common} ${JSON.stringify(await readlink(path))}`;
  if (stat.isFIFO()) return `fifo ${common}`;
  const kind = stat.isCharacterDevice() ? 'char' : stat.isBlockDevice() ? 'block' : 'other';
  return `${kind} ${common} ${stat.rdev}`;
}

async function contentHash(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex').slice(0, 16);
}

async function readXattrs(directory: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const { stdout } = await runCommand('getfattr', ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '.'], {
    cwd: directory,
  });
  const found = new Map<string, readonly string[]>();
  for (const block of stdout.split('\n\n')) {
    const [head = '', ...lines] = block.split('\n');
    const path = /^# file: (.*)$/.exec(head)?.[1];
    if (path === undefined) continue;
    const kept = lines.filter((line) => line !== '' && !line.startsWith('trusted.overlay.')).sort();
    found.set(unescapeName(path), kept);
  }
  return found;
}

/** getfattr writes odd bytes of names as octal. */
function unescapeName(path: string): string {
  const bytes = path.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
