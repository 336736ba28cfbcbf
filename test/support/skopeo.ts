import { join } from 'node:path';
import type { CleanupScope } from './cleanup.ts';
import { type CommandOptions, type CommandResult, runCommand } from './run-command.ts';
import { makeTempDir } from './temp-dir.ts';

export interface Skopeo {
  /** skopeo with logins of its own, speaking plain HTTP. Throws CommandError. */
  skopeo(args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** A folder for what it writes, removed at the end. */
  readonly directory: string;
}

/** Sets up skopeo apart from the logins and settings of the machine. */
export async function setUpSkopeo(scope: CleanupScope): Promise<Skopeo> {
  const directory = await makeTempDir(scope, 'skopeo');
  const env = { REGISTRY_AUTH_FILE: join(directory, 'auth.json'), TMPDIR: directory };
  return {
    directory,
    skopeo: (args, options = {}) => {
      const [command = '', ...rest] = args;
      const plain =
        command === 'copy' ? ['--src-tls-verify=false', '--dest-tls-verify=false'] : ['--tls-verify=false'];
      return runCommand('skopeo', [command, ...plain, ...rest], {
        ...options,
        env: { ...env, ...options.env },
      });
    },
  };
}
