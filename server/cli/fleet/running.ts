import { ConfigError } from '../../../lib/settings/config-error.ts';
import { parseImageReference } from '../../../oci/reference.ts';
import type { RegistryApi } from '../remote/registry-api.ts';
import { parseFormat, printRows } from '../remote/table.ts';
import { type FleetCommand, type FleetInput, runFleetCommand } from './fleet-command.ts';

interface RunningView {
  readonly app: string;
  readonly release: number;
  readonly service: string;
  readonly repository: string;
  readonly digest: string;
  /** Hosts that run it now. */
  readonly hosts: readonly string[];
  /** Whether it is kept only for a rollback. */
  readonly kept: boolean;
}

const RUNNING: FleetCommand = {
  usage: 'running DIGEST|IMAGE',
  options: { format: { type: 'string' } },
  run: printRunning,
};

/** `berth running`: lists the apps and hosts that run an image. Exit code 1: none does. */
export function running(args: readonly string[]): Promise<number> {
  return runFleetCommand(RUNNING, args);
}

async function printRunning({ api, option, words: [image = ''] }: FleetInput): Promise<number> {
  const format = parseFormat(option('format'));
  const opened = await api();
  const path = `running?${queryOf(opened, image)}`;
  const { running: found } = await opened.call<{ running: readonly RunningView[] }>('GET', path);
  printRows(format, found, [
    { head: 'APP', cell: ({ app }) => app },
    { head: 'RELEASE', cell: ({ release }) => String(release) },
    { head: 'SERVICE', cell: ({ service }) => service },
    { head: 'HOSTS', cell: ({ hosts, kept }) => (kept ? 'kept for a rollback' : hosts.join(' ')) },
  ]);
  return found.some(({ kept }) => !kept) ? 0 : 1;
}

/** Parses the image, which may begin with the registry's own name. Throws ConfigError. */
function queryOf({ url }: RegistryApi, image: string): URLSearchParams {
  if (/^sha256:[0-9a-f]{64}$/.test(image)) return new URLSearchParams({ digest: image });
  let reference: ReturnType<typeof parseImageReference>;
  try {
    reference = parseImageReference(image.startsWith(`${url.host}/`) ? image : `${url.host}/${image}`);
  } catch (cause) {
    throw new ConfigError(`"${image}" is neither a digest nor an image: ${(cause as Error).message}`, {
      cause,
    });
  }
  const { digest, repository, tag } = reference;
  if (digest !== undefined) return new URLSearchParams({ digest });
  return new URLSearchParams({ repository, tag: tag ?? 'latest' });
}
