import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '../config.ts';

/** What the agent runs, as alternatives, and the Debian package of the first. */
const PROGRAMS: readonly { readonly names: readonly string[]; readonly debianPackage: string }[] = [
  { names: ['conmon'], debianPackage: 'conmon' },
  { names: ['crun', 'runc'], debianPackage: 'crun' },
  { names: ['mkfs.erofs'], debianPackage: 'erofs-utils' },
  { names: ['nsenter'], debianPackage: 'util-linux' },
  { names: ['unshare'], debianPackage: 'util-linux' },
];

/** Throws ConfigError that names the first program that the agent needs and this host lacks, and its Debian package. */
export async function checkHostPrograms(searchPath: string): Promise<void> {
  for (const { names, debianPackage } of PROGRAMS) {
    const found = await Promise.all(names.map((name) => isInstalled(name, searchPath)));
    if (found.includes(true)) continue;
    throw new ConfigError(
      `${names.join(' or ')} is not installed: run "apt-get install ${debianPackage}", or its like elsewhere.`,
    );
  }
}

async function isInstalled(program: string, searchPath: string): Promise<boolean> {
  for (const folder of searchPath.split(':').filter((entry) => entry.startsWith('/'))) {
    const found = await access(join(folder, program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}
