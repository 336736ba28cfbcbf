import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CleanupScope } from './cleanup.ts';
import { type ManagedProcess, startProcess } from './managed-process.ts';
import { makeTempDir } from './temp-dir.ts';

export interface DockerRegistry {
  readonly host: string;
  readonly url: string;
  readonly dataDir: string;
  process(): ManagedProcess;
}

/**
 * Starts Debian's docker-registry (package docker-registry), open to all, on a free port over a fresh folder, the one
 * given, or the `storage` that is given as its configuration has it.
 */
export async function startDockerRegistry(
  scope: CleanupScope,
  folder?: string,
  storage?: Readonly<Record<string, unknown>>,
): Promise<DockerRegistry> {
  const directory = await makeTempDir(scope, 'docker-registry');
  const dataDir = folder ?? join(directory, 'data');
  const config = join(directory, 'config.yml');
  await writeFile(
    config,
    JSON.stringify({
      version: '0.1',
      log: { level: 'info', accesslog: { disabled: true } },
      storage: {
        cache: { blobdescriptor: 'inmemory' },
        ...(storage ?? { filesystem: { rootdirectory: dataDir } }),
        delete: { enabled: true },
      },
      http: { addr: '127.0.0.1:0' },
    }),
  );
  const running = startProcess(scope, 'docker-registry', ['serve', config]);
  const [, host = ''] = await running.waitForLine(/listening on (127\.0\.0\.1:\d+)/);
  return { host, url: `http://${host}`, dataDir, process: () => running };
}
