import type { CleanupScope } from './cleanup.ts';
import { type ManagedProcess, startProcess } from './managed-process.ts';
import { CommandError, type CommandOptions, type CommandResult, runCommand } from './run-command.ts';
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
      runDocker(['-H', host, ...args], { ...options, env: { ...env, ...options.env } }),
    startDocker: (args) => startProcess(scope, 'docker', ['-H', host, ...args], { env }),
  };
}

/** The CLI waits two seconds for a daemon to say what it is, and without that takes no devices. */
const UNANSWERED = /unknown server OS: \./;
const ATTEMPTS = 30;
/** The CLI and its plugins live for moments: without most of its garbage collections a build's takes a fifth less processor time. */
const RARE_COLLECTIONS = { GOGC: '400' } as const;

/** Runs the docker CLI, again where its daemon was slow to say what it is: nothing has been asked of that then. Throws CommandError. */
export async function runDocker(args: readonly string[], options: CommandOptions): Promise<CommandResult> {
  for (let attempt = 1; ; attempt += 1) {
    const isLast = attempt === ATTEMPTS;
    try {
      const env = { ...RARE_COLLECTIONS, ...options.env };
      const result = await runCommand('docker', args, { ...options, env });
      if (isLast || !UNANSWERED.test(result.stderr)) return result;
    } catch (error) {
      if (isLast || !(error instanceof CommandError && UNANSWERED.test(error.message))) throw error;
    }
  }
}
