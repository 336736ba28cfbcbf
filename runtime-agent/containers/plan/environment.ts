import type { ContainerConfig } from '../container.ts';
import { variableName } from './command.ts';

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * The process's environment in dockerd's order: PATH, HOSTNAME, TERM for a terminal, what links bring, then the container's own, each
 * name once and at its first place. An entry without `=` takes the variable away.
 */
export function processEnvironment(
  config: ContainerConfig,
  home: string,
  /** Of the containers that this one is linked to. */
  links: readonly string[] = [],
): readonly string[] {
  const variables = new Map<string, string>();
  variables.set('PATH', `PATH=${DEFAULT_PATH}`);
  variables.set('HOSTNAME', `HOSTNAME=${config.Hostname}`);
  if (config.Tty) variables.set('TERM', 'TERM=xterm');
  for (const entry of links) variables.set(variableName(entry), entry);
  for (const entry of config.Env) {
    const name = variableName(entry);
    if (entry.includes('=')) variables.set(name, entry);
    else variables.delete(name);
  }
  // Runtimes fill this in too, but each in its own way.
  if (!variables.has('HOME')) variables.set('HOME', `HOME=${home}`);
  return [...variables.values()];
}
