import { readVersion } from '../../lib/files/version.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { joinRegistry, leaveRegistry } from '../fleet/join-command.ts';
import type { FleetCommand } from '../fleet/read-fleet-command.ts';
import { prepareDataFolder } from './data-folder.ts';
import { readSystemFacts } from './read-host-facts.ts';

/** Joins or leaves a fleet; returns the message for the operator. Throws ConfigError. */
export async function runFleetCommand(command: FleetCommand, signal: AbortSignal): Promise<string> {
  // Hides the command's words, which include the token, from other users of the machine.
  process.title = `berth-agent ${command.kind}`;
  if (process.getuid?.() !== 0) throw new ConfigError('this needs root, as the agent does: use sudo.');
  const folder = await prepareDataFolder(command.config.dataDirectory);
  if (command.kind === 'leave') return leaveRegistry(folder);
  const [system, version] = await Promise.all([readSystemFacts(), readVersion()]);
  const facts = {
    version,
    operatingSystem: system.operatingSystem,
    platform: `linux/${system.architecture}`,
    processors: system.cpus,
    memory: system.memory,
    allows: command.allows,
    ingress: false,
  };
  return joinRegistry(command, folder, facts, signal);
}
