import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { CleanupScope } from './cleanup.ts';
import { REGISTRY_CACHE } from './compile-cache.ts';
import { freePort } from './free-port.ts';
import { type ManagedProcess, startProcess } from './managed-process.ts';
import { REGISTRY_PROGRAM, REGISTRY_SOURCES } from './programs.ts';
import { makeTempDir } from './temp-dir.ts';

export interface RegistryOptions {
  /** Absent: open to all (`--auth none`). Given: HTTP Basic as user `admin` with this password. */
  readonly adminPassword?: string;
  /** The data folder; a fresh one unless given. */
  readonly dataDir?: string;
  /** The address that it listens on; 127.0.0.1 unless given. */
  readonly address?: string;
  /** More of `berth serve`'s flags. */
  readonly args?: readonly string[];
  /** Of its environment. With NODE_OPTIONS, whose modules change others, the sources run. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A registry that runs as a process of its own. */
export interface RegistryProcess {
  /** `ADDRESS:PORT`, as image references have it. The port stays the same over restarts. */
  readonly host: string;
  /** `http://ADDRESS:PORT`. */
  readonly url: string;
  readonly dataDir: string;
  /** The running process; another one after each restart. */
  process(): ManagedProcess;
  /** SIGTERM, and checks that the exit code is 0. */
  stop(): Promise<void>;
  /** SIGKILL, as a crash. */
  kill(): Promise<void>;
  /** Starts it again on the same data and port, after stop() if it still runs. */
  restart(): Promise<void>;
}

/** Starts Berth's registry on a free port and waits until it says that it is ready. */
export async function startRegistry(
  scope: CleanupScope,
  options: RegistryOptions = {},
): Promise<RegistryProcess> {
  const dataDir = options.dataDir ?? join(await makeTempDir(scope, 'registry'), 'data');
  await mkdir(dataDir, { recursive: true });
  const { address = '127.0.0.1', adminPassword } = options;
  const auth = adminPassword === undefined ? ['--auth', 'none'] : [];
  const env = {
    ...REGISTRY_CACHE,
    ...options.env,
    ...(adminPassword !== undefined && { BERTH_ADMIN_PASSWORD: adminPassword }),
  };
  const program = options.env?.NODE_OPTIONS === undefined ? REGISTRY_PROGRAM : REGISTRY_SOURCES;
  const start = async (listen: string) => {
    const args = ['serve', '--listen', listen, '--data', dataDir, ...auth, ...(options.args ?? [])];
    const started = startProcess(scope, process.execPath, [program, ...args], { env });
    const [, host] = await started.waitForLine(/berth is ready: http:\/\/([\d.]+:\d+)/);
    return { started, host: host ?? '' };
  };

  let { started: running, host } = await start(`${address}:${await freePort()}`);
  const stop = async () => {
    const exit = await running.end('SIGTERM');
    if (exit.code !== 0) {
      throw new Error(`the registry ended with ${exit.code ?? exit.signal}\n${running.output()}`);
    }
  };
  return {
    host,
    url: `http://${host}`,
    dataDir,
    process: () => running,
    stop,
    kill: async () => {
      await running.end('SIGKILL');
    },
    restart: async () => {
      if (running.exit() === undefined) await stop();
      ({ started: running, host } = await start(host));
    },
  };
}
