import { existsSync } from 'node:fs';
import { access, constants, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { Logger } from 'pino';
import { destroyCgroup, detectCgroups } from '../../lib/linux/cgroups/cgroups.ts';
import { readBoundingCapabilities } from '../../lib/linux/process/proc.ts';
import { runProcess } from '../../lib/linux/process/run-process.ts';
import { sealProgram } from '../../lib/linux/process/sealed-program.ts';
import type { OciSpec } from './bundle.ts';
import { capabilityNames, DEFAULT_CAPABILITIES } from './capabilities.ts';

/** The programs that run containers on this host. Absolute paths. */
export interface Runtime {
  readonly name: 'crun' | 'runc';
  readonly path: string;
  /** The program to start: `path`, or a sealed copy that starts faster. */
  readonly program: string;
  /** As the program prints it: `1.21`. */
  readonly version: string;
  readonly conmon: string;
}

const CANDIDATES = ['crun', 'runc'] as const;
const USUAL_PLACES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/**
 * Selects a runtime that passes a trial run, crun before runc since it is three times faster. crun cannot run if cgroup
 * v1 and v2 controllers are mixed, unless /sys/fs/cgroup/unified is unmounted in the agent's mount namespace.
 * `workDirectory` gets the few small files of the trial. Throws an Error that names what is missing.
 */
export async function selectRuntime(options: {
  readonly workDirectory: string;
  readonly log: Logger;
  readonly signal?: AbortSignal;
  /** The runtimes to try, in this order. */
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

/** Seals crun in memory, which starts faster. runc has 10 MB and gains little. */
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

/** A statically linked program of the package tini, which `docker run --init` needs as well. */
export const STATIC_INIT = '/usr/bin/tini-static';

/**
 * Runs a minimal container with namespaces, cgroup limits and capabilities. Returns undefined on success, otherwise the
 * reason of the failure. It needs almost no space in `workDirectory`.
 */
async function tryRuntime(
  name: string,
  program: string,
  workDirectory: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  await mkdir(workDirectory, { recursive: true, mode: 0o700 });
  const prefix = `try-${name}-`;
  for (const left of (await readdir(workDirectory)).filter((entry) => entry.startsWith(prefix))) {
    await rm(join(workDirectory, left), { recursive: true, force: true });
  }
  const folder = await mkdtemp(join(workDirectory, prefix));
  const id = `berth-try-${folder.slice(-6)}`;
  try {
    const rootfs = join(folder, 'rootfs');
    await mkdir(rootfs);
    if (!existsSync(STATIC_INIT)) return `${STATIC_INIT} is missing: install the package tini`;
    await writeFile(join(folder, 'config.json'), JSON.stringify(trialSpec(id)));
    const root = ['--root', join(folder, 'state')];
    const ran = await runProcess(program, [...root, 'run', '--bundle', folder, id], {
      timeout: 30_000,
      ...(signal === undefined ? {} : { signal }),
    });
    if (ran.exitCode === 0) return undefined;
    await runProcess(program, [...root, 'delete', '--force', id], { timeout: 30_000 });
    const reason = ran.timedOut ? 'it did not end within 30 seconds' : ran.stderr.trim();
    return reason === '' ? `it ended with exit code ${ran.exitCode}` : reason.slice(0, 500);
  } finally {
    await destroyCgroup(detectCgroups(), `/berth/${id}`);
    await rm(folder, { recursive: true, force: true });
  }
}

function trialSpec(id: string): OciSpec {
  const available = capabilityNames(readBoundingCapabilities());
  const { missing } = detectCgroups();
  const capabilities = DEFAULT_CAPABILITIES.filter((capability) => available.includes(capability));
  return {
    ociVersion: '1.0.2',
    hostname: 'trial',
    root: { path: 'rootfs', readonly: false },
    process: {
      terminal: false,
      user: { uid: 0, gid: 0, additionalGids: [] },
      args: ['/init', '--version'],
      env: [],
      cwd: '/',
      capabilities: {
        bounding: capabilities,
        effective: capabilities,
        permitted: capabilities,
        inheritable: [],
        ambient: [],
      },
      rlimits: [],
      noNewPrivileges: false,
      oomScoreAdj: 0,
    },
    mounts: [
      // Mounted, not copied: the folder may be mounted noexec.
      { destination: '/init', type: 'bind', source: STATIC_INIT, options: ['bind', 'ro'] },
      { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755'] },
      { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
      {
        destination: '/sys/fs/cgroup',
        type: 'cgroup',
        source: 'cgroup',
        options: ['ro', 'nosuid', 'noexec', 'nodev'],
      },
    ],
    linux: {
      namespaces: ['mount', 'pid', 'ipc', 'uts', 'network'].map((type) => ({ type })),
      cgroupsPath: `/berth/${id}`,
      resources: {
        devices: [{ allow: false, access: 'rwm' }],
        ...(missing?.has('memory') ? {} : { memory: { limit: 64 << 20 } }),
        ...(missing?.has('pids') ? {} : { pids: { limit: 16 } }),
      },
      devices: [],
      sysctl: {},
      maskedPaths: [],
      readonlyPaths: [],
    },
  };
}
