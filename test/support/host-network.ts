import { readdir, readlink } from 'node:fs/promises';
import { runCommand } from './run-command.ts';

/** The network state of the kernel in the namespace of this process, for comparing before and after. */
export interface HostNetwork {
  /** Names of all links, sorted. */
  readonly links: readonly string[];
  /** The whole packet filter as nft(8) prints it. */
  readonly filter: string;
}

export async function readHostNetwork(): Promise<HostNetwork> {
  const [links, filter] = await Promise.all([
    runCommand('ip', ['-json', 'link']),
    runCommand('nft', ['list', 'ruleset']),
  ]);
  const found: readonly { readonly ifname: string }[] = JSON.parse(links.stdout);
  return {
    links: found.map(({ ifname }) => ifname).sort(),
    filter: filter.stdout,
  };
}

/** How many network namespaces a process holds open, and how many sockets. */
export async function heldByProcess(
  pid: number,
): Promise<{ readonly namespaces: number; readonly sockets: number }> {
  const folder = `/proc/${pid}/fd`;
  const targets = await Promise.all(
    (await readdir(folder)).map((fd) => readlink(`${folder}/${fd}`).catch(() => '')),
  );
  return {
    namespaces: targets.filter((target) => target.startsWith('net:[')).length,
    sockets: targets.filter((target) => target.startsWith('socket:[')).length,
  };
}

/** Fetches a page over HTTP from the host; undefined when there is no answer within `timeoutMs`. */
export async function fetchPage(url: string, timeoutMs = 20_000): Promise<string | undefined> {
  try {
    const answer = await fetch(url, {
      signal: AbortSignal.timeout(timeoutMs),
      headers: { connection: 'close' },
    });
    return (await answer.text()).trim();
  } catch {
    return undefined;
  }
}
