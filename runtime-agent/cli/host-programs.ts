import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '../config.ts';
import { runProcess } from '../linux/run-process.ts';

/** The programs that the agent runs, by absolute path. */
export interface HostPrograms {
  readonly runtime: { readonly name: 'crun' | 'runc'; readonly path: string; readonly version: string };
  readonly conmon: { readonly path: string; readonly version: string };
}

/**
 * Finds what the agent needs on this host; crun is taken before runc, being three times as fast. Throws ConfigError
 * that names the Debian package of the first program that is missing.
 */
export async function findHostPrograms(searchPath: string): Promise<HostPrograms> {
  const find = (program: string) => findProgram(program, searchPath);
  const conmon = await find('conmon');
  if (conmon === undefined) throw missing('conmon', 'conmon');
  const crun = await find('crun');
  const runtime = crun ?? (await find('runc'));
  if (runtime === undefined) throw missing('crun (or runc)', 'crun');
  if ((await find('mkfs.erofs')) === undefined) throw missing('mkfs.erofs', 'erofs-utils');
  if ((await find('nsenter')) === undefined) throw missing('nsenter', 'util-linux');
  return {
    runtime: { name: crun === undefined ? 'runc' : 'crun', path: runtime, version: await versionOf(runtime) },
    conmon: { path: conmon, version: await versionOf(conmon) },
  };
}

function missing(program: string, debianPackage: string): ConfigError {
  return new ConfigError(
    `${program} is not installed: run "apt-get install ${debianPackage}", or its like, and start the agent again.`,
  );
}

/** The absolute path of an executable of the search path; undefined where there is none. */
export async function findProgram(program: string, searchPath: string): Promise<string | undefined> {
  for (const folder of searchPath.split(':').filter((entry) => entry.startsWith('/'))) {
    const path = join(folder, program);
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}

/** The number in the first line of `--version`: `crun version 1.21`. */
async function versionOf(path: string): Promise<string> {
  const { stdout } = await runProcess(path, ['--version'], { timeout: 10_000 });
  return /\d+\.\d+[^\s,]*/.exec(stdout.split('\n')[0] ?? '')?.[0] ?? 'unknown';
}
