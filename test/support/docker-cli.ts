import type { CleanupScope } from './cleanup.ts';
import { type ManagedProcess, startProcess } from './managed-process.ts';
import { type CommandOptions, type CommandResult, runCommand } from './run-command.ts';
import { makeTempDir } from './temp-dir.ts';

/** The docker CLI against one daemon, with a configuration (logins) of its own. */
export interface Docker {
  /** `unix://…`, for `docker -H`. */
  readonly host: string;
  /** The folder with the CLI's config.json. */
  readonly config: string;
  /** Runs a command to its end. Throws CommandError unless its exit code is 0, or the one that is expected. */
  docker(args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Starts a command that goes on, such as `logs --follow`. It ends with the scope. */
  startDocker(args: readonly string[]): ManagedProcess;
}

export async function dockerAt(scope: CleanupScope, host: string): Promise<Docker> {
  const config = await makeTempDir(scope, 'docker-cli');
  const env = { DOCKER_CONFIG: config };
  return {
    host,
    config,
    docker: (args, options = {}) =>
      runCommand('docker', ['-H', host, ...args], { ...options, env: { ...env, ...options.env } }),
    startDocker: (args) => startProcess(scope, 'docker', ['-H', host, ...args], { env }),
  };
}
