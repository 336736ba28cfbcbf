import { ConfigError } from '../../lib/settings/config-error.ts';
import { checkHostPrograms } from '../doctor/host-programs.ts';

/** Throws ConfigError unless this process is root on a Linux that has the programs that the agent needs. */
export async function checkHost(): Promise<void> {
  if (process.platform !== 'linux') {
    throw new ConfigError('the agent needs Linux, whose kernel runs the containers.');
  }
  if (process.getuid?.() !== 0) {
    throw new ConfigError('the agent needs root, for mounts and namespaces: start it with sudo.');
  }
  await checkHostPrograms(process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin');
}
