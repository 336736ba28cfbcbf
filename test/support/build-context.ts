import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CleanupScope } from './cleanup.ts';
import { makeTempDir } from './temp-dir.ts';

/** What a context has at a path: the text of a file, with a mode where it matters, or the target of a link. */
export type ContextFile =
  | string
  | { readonly text: string; readonly mode: number }
  | { readonly link: string };

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

/** Writes one of them, over what is there. */
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
  await writeFile(path, typeof file === 'string' ? file : file.text);
  if (typeof file !== 'string') await chmod(path, file.mode);
}
