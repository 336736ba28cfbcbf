import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { CleanupScope } from './cleanup.ts';
import { runCommand } from './run-command.ts';
import { writeTar } from './tar-writer.ts';
import { makeTempDir } from './temp-dir.ts';

/** A file of a context: its text, with a mode where that matters, or the target of a link. */
export type ContextFile =
  | string
  | { readonly text: string; readonly mode: number }
  | { readonly link: string }
  /** An archive with a folder of its own name in it. */
  | { readonly tar: 'none' | 'gzip' | 'xz' | 'bzip2' };

/** A folder to build from: a Dockerfile, and files by their paths; a path that ends with a slash is an empty folder. */
export async function makeBuildContext(
  scope: CleanupScope,
  dockerfile: string,
  files: Readonly<Record<string, ContextFile>> = {},
): Promise<string> {
  const folder = join(await makeTempDir(scope, 'context'), 'context');
  await mkdir(folder);
  const all: Readonly<Record<string, ContextFile>> = { Dockerfile: dockerfile, ...files };
  for (const [path, file] of Object.entries(all)) await writeContextFile(join(folder, path), file);
  return folder;
}

/** Writes one file of a context; replaces an existing one. */
export async function writeContextFile(path: string, file: ContextFile): Promise<void> {
  if (path.endsWith('/')) {
    await mkdir(path, { recursive: true });
    return;
  }
  await mkdir(dirname(path), { recursive: true });
  if (typeof file !== 'string' && 'link' in file) {
    await symlink(file.link, path);
    return;
  }
  if (typeof file !== 'string' && 'tar' in file) {
    await writeFile(path, await makeArchive(basename(path).replace(/\..*/, ''), file.tar));
    return;
  }
  await writeFile(path, typeof file === 'string' ? file : file.text);
  if (typeof file !== 'string') await chmod(path, file.mode);
}

async function makeArchive(name: string, compression: 'none' | 'gzip' | 'xz' | 'bzip2'): Promise<Uint8Array> {
  const tar = writeTar([
    { name: `${name}/`, type: 'directory', mode: 0o750, uid: 11, gid: 12 },
    { name: `${name}/file`, type: 'file', content: `of ${name}\n`, mode: 0o640, uid: 13, gid: 14 },
    { name: `${name}/link`, type: 'symlink', target: 'file' },
  ]);
  if (compression === 'none') return tar;
  if (compression === 'gzip') return gzipSync(tar);
  const { stdout } = await runCommand('sh', ['-c', `${compression} -c | base64`], { input: tar });
  return Buffer.from(stdout, 'base64');
}
