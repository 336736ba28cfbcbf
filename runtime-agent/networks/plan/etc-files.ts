import { isLoopback } from '../../../lib/http/addresses.ts';

const LOCAL_NAMES = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::0\tip6-localnet',
  'ff00::0\tip6-mcastprefix',
  'ff02::1\tip6-allnodes',
  'ff02::2\tip6-allrouters',
];

/** A line of hosts(5): an address and its names. */
export interface HostsEntry {
  readonly address: string;
  readonly names: readonly string[];
}

/**
 * Returns a container's /etc/hosts: the local names, those from the client, and the container's own in each network.
 */
export function hostsFile(entries: readonly HostsEntry[]): string {
  return [...LOCAL_NAMES, ...entries.map(line)].map((text) => `${text}\n`).join('');
}

/** Returns the file with one more line at its end. */
export function addToHosts(text: string, entry: HostsEntry): string {
  return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${line(entry)}\n`;
}

/** Returns the file with a new address for the same names. */
export function replaceInHosts(text: string, entry: HostsEntry): string {
  return addToHosts(removeNames(text, entry.names), entry);
}

/** Returns the file without the line of these names. */
export function removeNames(text: string, names: readonly string[]): string {
  return text
    .split('\n')
    .filter((existing) => existing.slice(existing.indexOf('\t') + 1) !== names.join(' '))
    .join('\n');
}

/** Returns the file without the lines of an address; the container's own lines stay. */
export function removeFromHosts(text: string, address: string): string {
  return text
    .split('\n')
    .filter((existing) => existing.split(/\s/)[0] !== address)
    .join('\n');
}

/** Returns the names of a container in its own file: with its domain first, if it has one. */
export function ownNames(hostname: string, domainname: string): readonly string[] {
  return domainname === '' ? [hostname] : [`${hostname}.${domainname}`, hostname];
}

function line({ address, names }: HostsEntry): string {
  return `${address}\t${names.join(' ')}`;
}

/** Address of the resolver that knows other containers' names, as in Docker. */
export const RESOLVER_ADDRESS = '127.0.0.11';

/** The settings of resolv.conf(5). */
export interface ResolverSettings {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

export function parseResolvConf(text: string): ResolverSettings {
  const lines = text.split('\n').map((line) => (line.split(/[#;]/, 1)[0] ?? '').trim().split(/\s+/));
  const all = (key: string) => lines.filter(([first]) => first === key).map(([, ...rest]) => rest);
  return {
    nameservers: all('nameserver').flatMap(([server]) => (server === undefined ? [] : [server])),
    // The last line wins; `domain` is an older form.
    search:
      lines
        .filter(([key]) => key === 'search' || key === 'domain')
        .at(-1)
        ?.slice(1) ?? [],
    options: all('options').flat(),
  };
}

/** A client's --dns, --dns-search and --dns-option; an empty list means no choice. */
export interface ResolverChoice {
  readonly servers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/**
 * Plans a container's /etc/resolv.conf, and the servers to which the agent's resolver forwards unknown names. With
 * `internal` that resolver is the only server, as it is if the host's servers are on its loopback, which a container
 * cannot reach.
 */
export function planResolvConf(
  host: ResolverSettings,
  choice: ResolverChoice,
  internal: boolean,
): { readonly text: string; readonly resolver: boolean; readonly upstream: readonly string[] } {
  const servers = choice.servers.length > 0 ? choice.servers : host.nameservers;
  const reachable = servers.filter((server) => choice.servers.length > 0 || !isLoopback(server));
  const resolver = internal || (reachable.length === 0 && servers.length > 0);
  const search = (choice.search.length > 0 ? choice.search : host.search).filter((domain) => domain !== '.');
  const options = choice.options.length > 0 ? choice.options : host.options;
  const ndots = internal && !options.some((option) => option.startsWith('ndots:')) ? ['ndots:0'] : [];
  const lines = [
    ...(resolver ? [RESOLVER_ADDRESS] : reachable).map((server) => `nameserver ${server}`),
    ...(search.length > 0 ? [`search ${search.join(' ')}`] : []),
    ...(options.length + ndots.length > 0 ? [`options ${[...options, ...ndots].join(' ')}`] : []),
  ];
  return { text: `${lines.join('\n')}\n`, resolver, upstream: servers };
}
