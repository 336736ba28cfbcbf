import { appendFile, chmod, chown, cp, mkdir, readdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeBusyboxTree } from './busybox-tree.ts';
import type { CleanupScope } from './cleanup.ts';
import { cachedImage, imageFolder } from './image-cache.ts';
import { addLayer } from './layer.ts';
import { runCommand } from './run-command.ts';
import { tarTree } from './tar-tree.ts';
import { addImage, type TestImage } from './test-image.ts';

const VERSIONS = '/usr/lib/postgresql';
const PROGRAMS = ['postgres', 'initdb', 'psql', 'pg_isready'];
/** Libraries that a server loads by itself; the rest are extensions. */
const MODULES = ['dict_snowball.so', 'plpgsql.so'];
/** Of the user postgres in the image. */
export const POSTGRES_UID = 999;

/**
 * PostgreSQL out of Debian's package and busybox in two layers: server, initdb, psql and pg_isready in the PATH, a user
 * `postgres` and a folder for its data that belongs to it. Needs root.
 */
export async function makePostgresImage(scope: CleanupScope): Promise<TestImage> {
  return cachedImage(await imageFolder(scope), 'postgres', async (layout, workDir) => {
    const base = join(workDir, 'base');
    await makeBusyboxTree(base);
    await appendFile(
      join(base, 'etc/passwd'),
      `postgres:x:${POSTGRES_UID}:${POSTGRES_UID}::/var/lib/postgresql:/bin/sh\n`,
    );
    await appendFile(join(base, 'etc/group'), `postgres:x:${POSTGRES_UID}:\n`);
    const data = join(base, 'var/lib/postgresql/data');
    await mkdir(data, { recursive: true });
    await chmod(data, 0o700);
    await chown(data, POSTGRES_UID, POSTGRES_UID);
    const server = join(workDir, 'server');
    await copyServer(server);
    return addImage(layout, 'postgres', [
      await addLayer(layout, tarTree(base)),
      await addLayer(layout, tarTree(server, { ownedByRoot: true })),
    ]);
  });
}

async function copyServer(tree: string): Promise<void> {
  const version = (await readdir(VERSIONS)).sort((a, b) => Number(b) - Number(a))[0] ?? '';
  const programs = PROGRAMS.map((name) => join(VERSIONS, version, 'bin', name));
  const modules = MODULES.map((name) => join(VERSIONS, version, 'lib', name));
  const libraries = await librariesOf([...programs, ...modules]);
  for (const path of [...programs, ...modules, ...libraries])
    await copyInto(tree, path, await realpath(path));
  await copyInto(tree, join('/usr/share/postgresql', version), join('/usr/share/postgresql', version));
  await mkdir(join(tree, 'usr/bin'), { recursive: true });
  for (const name of PROGRAMS) {
    await runCommand('ln', ['-s', join(VERSIONS, version, 'bin', name), join(tree, 'usr/bin', name)]);
  }
}

async function copyInto(tree: string, path: string, source: string): Promise<void> {
  const target = join(tree, path);
  await mkdir(dirname(target), { recursive: true });
  await cp(source, target, { recursive: true });
}

/** Returns the files that the dynamic linker would load, itself included. */
async function librariesOf(files: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await runCommand('ldd', files);
  const paths = [...stdout.matchAll(/^\t(?:\S+ => )?(\/\S+) \(0x/gm)].map(([, path = '']) => path);
  return [...new Set(paths)];
}
