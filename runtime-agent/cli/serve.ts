import { enterMountNamespace } from '../../lib/linux/mount/mount-namespace.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';
import type { AgentConfig } from '../config.ts';
import { checkHostPrograms } from '../doctor/host-programs.ts';
import { asConfigError } from './as-config-error.ts';
import { prepareDataFolder } from './data-folder.ts';
import { clearRemains } from './reset/clear-remains.ts';
import { runDirectory } from './run-directory.ts';

/**
 * Runs the agent, from its configuration to the end: returns when `interrupted` is aborted and everything is closed.
 * Containers keep running. Throws ConfigError for problems that its operator must solve.
 */
export async function serve(config: AgentConfig, interrupted: AbortSignal): Promise<void> {
  await checkHost();
  const dataDirectory = await prepareDataFolder(config.dataDirectory);
  await clearRemains(dataDirectory);
  const mounts = await asConfigError(
    enterMountNamespace({
      runDirectory: runDirectory(dataDirectory),
      execPath: process.execPath,
      args: [...process.execArgv, ...process.argv.slice(1)],
    }),
  );
  // Loaded only here, after the process has re-executed itself: the code of the agent is loaded once.
  const { runAgent } = await import('./run-agent.ts');
  await runAgent(config, { dataDirectory, mounts }, interrupted);
}

/** Throws ConfigError unless this process is root on a Linux that has the programs that the agent needs. */
async function checkHost(): Promise<void> {
  if (process.platform !== 'linux') {
    throw new ConfigError('the agent needs Linux, whose kernel runs the containers.');
  }
  if (process.getuid?.() !== 0) {
    throw new ConfigError('the agent needs root, for mounts and namespaces: start it with sudo.');
  }
  await checkHostPrograms(process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin');
}
