import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { PROGRAMS } from './programs.ts';

/** The runtimes, one of which is required; the agent tests which of them works. */
const RUNTIMES = ['crun', 'runc'];

/** Throws ConfigError that names the first required program that this host lacks, and its Debian package. */
export async function checkHostPrograms(searchPath: string): Promise<void> {
  const needed = PROGRAMS.filter((program) => program.needed);
  const installed = await findPrograms([...RUNTIMES, ...needed.map(({ name }) => name)], searchPath);
  const absent = needed.find(({ name }) => !installed.has(name));
  if (absent !== undefined) throw missing(absent.name, absent.debianPackage);
  if (!RUNTIMES.some((name) => installed.has(name))) throw missing(RUNTIMES.join(' or '), 'crun');
}

/** Returns those of these programs that are on the search path. */
export async function findPrograms(
  names: readonly string[],
  searchPath: string,
): Promise<ReadonlySet<string>> {
  const found = await Promise.all(names.map((name) => isInstalled(name, searchPath)));
  return new Set(names.filter((_, index) => found[index]));
}

function missing(program: string, debianPackage: string): ConfigError {
  return new ConfigError(
    `${program} is not installed: run "apt-get install ${debianPackage}", or the equivalent of another distribution.`,
  );
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
