import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { destroyCgroup, detectCgroups } from '../../lib/linux/cgroups/cgroups.ts';
import { readBoundingCapabilities } from '../../lib/linux/process/proc.ts';
import { runProcess } from '../../lib/linux/process/run-process.ts';
import type { OciSpec } from './bundle.ts';
import { capabilityNames, DEFAULT_CAPABILITIES } from './capabilities.ts';

/** A program that needs no library; the package tini brings it, and `docker run --init` needs it anyway. */
export const STATIC_INIT = '/usr/bin/tini-static';

/**
 * Runs a smallest container to its end with all that containers use: namespaces, cgroup limits, capabilities. Undefined
 * when it ran, otherwise why not. It needs next to no room in `workDirectory`.
 */
export async function tryRuntime(
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
      // Mounted, not copied: the folder may be one in which nothing can be executed.
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
