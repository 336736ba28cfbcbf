import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CleanupScope } from './cleanup.ts';
import { startProcess } from './managed-process.ts';
import { type CommandOptions, type CommandResult, runCommand } from './run-command.ts';
import { makeTempDir } from './temp-dir.ts';

export interface Containerd {
  /** containerd's own `ctr` against this daemon. Throws CommandError. */
  ctr(args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Its folder; removed at the end. */
  readonly directory: string;
}

/** Starts a containerd of the test's own over a fresh folder and waits until it answers. Needs root. */
export async function startContainerd(scope: CleanupScope): Promise<Containerd> {
  // The socket lies in here, and its path must stay under 108 bytes.
  const directory = await makeTempDir(scope, 'containerd');
  const address = join(directory, 'c.sock');
  const config = join(directory, 'containerd.toml');
  await writeFile(
    config,
    `version = 2
root = "${directory}/root"
state = "${directory}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "${address}"
`,
  );
  const daemon = startProcess(scope, 'containerd', ['--config', config]);
  await daemon.waitForLine(/containerd successfully booted/);
  return {
    directory,
    ctr: (args, options) => runCommand('ctr', ['--address', address, ...args], options),
  };
}
