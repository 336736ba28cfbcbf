import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { Logger } from 'pino';
import { runProcess } from '../../lib/linux/process/run-process.ts';
import { sealProgram } from '../../lib/linux/process/sealed-program.ts';
import { tryRuntime } from './try-runtime.ts';

/** The programs that run containers on this host. Absolute paths. */
export interface Runtime {
  readonly name: 'crun' | 'runc';
  readonly path: string;
  /** What is started for it: the same program, which starts faster where it can. */
  readonly program: string;
  /** As the program says it: `1.21`. */
  readonly version: string;
  readonly conmon: string;
}

const CANDIDATES = ['crun', 'runc'] as const;
const USUAL_PLACES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/**
 * The runtime that really runs a container here, crun before runc as it is three times faster. crun cannot run where
 * cgroup v1 and v2 controllers are mixed, unless /sys/fs/cgroup/unified is unmounted in the agent's mount namespace.
 * `workDirectory` gets the few small files of a trial. Throws an Error that says what is missing.
 */
export async function selectRuntime(options: {
  readonly workDirectory: string;
  readonly log: Logger;
  readonly signal?: AbortSignal;
  /** Only these are tried, in this order. */
  readonly candidates?: readonly Runtime['name'][];
}): Promise<Runtime> {
  const conmon = await findProgram('conmon');
  if (conmon === undefined) throw new Error('conmon is not installed: install the package conmon');
  const reasons: string[] = [];
  for (const name of options.candidates ?? CANDIDATES) {
    const path = await findProgram(name);
    if (path === undefined) {
      reasons.push(`${name} is not installed`);
      continue;
    }
    const failure = await tryRuntime(name, path, options.workDirectory, options.signal);
    if (failure === undefined)
      return {
        name,
        path,
        program: startedFrom(name, path, options.log),
        version: await readVersion(path),
        conmon,
      };
    options.log.warn({ runtime: name, reason: failure }, 'this OCI runtime cannot run containers here');
    reasons.push(`${name}: ${failure}`);
  }
  throw new Error(
    `no OCI runtime works on this host (${reasons.join('; ')}): install the package crun or runc, run the agent as root`,
  );
}

/** runc is of 10 MB and takes longer over other things. */
function startedFrom(name: Runtime['name'], path: string, log: Logger): string {
  if (name !== 'crun') return path;
  try {
    return sealProgram(path, name);
  } catch (error) {
    log.info({ err: error }, 'crun is started from its file, which takes a little longer');
    return path;
  }
}

async function findProgram(name: string): Promise<string | undefined> {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), ...USUAL_PLACES]) {
    if (!folder.startsWith('/')) continue;
    const path = join(folder, name);
    if (await isExecutable(path)) return path;
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function readVersion(path: string): Promise<string> {
  const { stdout } = await runProcess(path, ['--version'], { timeout: 10_000 });
  return /version (\S+)/.exec(stdout)?.[1] ?? 'unknown';
}
