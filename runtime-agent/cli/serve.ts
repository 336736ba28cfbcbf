import { enterMountNamespace } from '../../lib/linux/mount/mount-namespace.ts';
import type { AgentConfig } from '../config.ts';
import { asConfigError } from './as-config-error.ts';
import { checkHost } from './check-host.ts';
import { prepareDataFolder } from './data-folder.ts';
import { clearRemains } from './reset/clear-remains.ts';
import { runDirectory } from './run-directory.ts';

/**
 * The agent, from its configuration to the end: returns when `interrupted` is aborted and everything is closed.
 * Containers go on running. Throws ConfigError for what its operator must change.
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
  // Only here, as the process was just replaced: all that an agent consists of is loaded once.
  const { runAgent } = await import('./run-agent.ts');
  await runAgent(config, { dataDirectory, mounts }, interrupted);
}
