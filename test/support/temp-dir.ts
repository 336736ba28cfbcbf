import { mkdtemp, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CleanupScope, defer } from './cleanup.ts';
import { unmountUnder } from './mounts.ts';
import { runCommand } from './run-command.ts';

/** A fresh folder (mode 0700) whose name holds `label`. At the end of `scope` it is removed, with mounts that were left in it. */
export async function makeTempDir(scope: CleanupScope, label = 'test'): Promise<string> {
  const directory = await mkdtemp(join(await realpath(tmpdir()), `berth-${label}-`));
  defer(scope, () => removeTree(directory));
  return directory;
}

/**
 * Removes a folder and all in it; no error when it is gone. What is mounted there is unmounted first, so
 * that nothing of another filesystem is ever deleted.
 */
export async function removeTree(directory: string): Promise<void> {
  await unmountUnder(directory);
  await runCommand('rm', ['-rf', '--one-file-system', '--', directory]);
}
