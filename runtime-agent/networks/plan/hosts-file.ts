const LOCAL_NAMES = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::0\tip6-localnet',
  'ff00::0\tip6-mcastprefix',
  'ff02::1\tip6-allnodes',
  'ff02::2\tip6-allrouters',
];

/** A line of hosts(5): an address and the names that it has. */
export interface HostsEntry {
  readonly address: string;
  readonly names: readonly string[];
}

/** A container's /etc/hosts: the local names, those a client gave, and the container's own in each network. */
export function hostsFile(entries: readonly HostsEntry[]): string {
  return [...LOCAL_NAMES, ...entries.map(line)].map((text) => `${text}\n`).join('');
}

/** The file with a line more at its end. */
export function addToHosts(text: string, entry: HostsEntry): string {
  return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${line(entry)}\n`;
}

/** The file with this address in place of the one that the same names had. */
export function replaceInHosts(text: string, entry: HostsEntry): string {
  return addToHosts(removeNames(text, entry.names), entry);
}

/** The file without the line of these names. */
export function removeNames(text: string, names: readonly string[]): string {
  return text
    .split('\n')
    .filter((existing) => existing.slice(existing.indexOf('\t') + 1) !== names.join(' '))
    .join('\n');
}

/** The file without the lines of an address; what the container has written itself stays. */
export function removeFromHosts(text: string, address: string): string {
  return text
    .split('\n')
    .filter((existing) => existing.split(/\s/)[0] !== address)
    .join('\n');
}

/** The names of a container in its own file: with its domain first, where it has one. */
export function ownNames(hostname: string, domainname: string): readonly string[] {
  return domainname === '' ? [hostname] : [`${hostname}.${domainname}`, hostname];
}

function line({ address, names }: HostsEntry): string {
  return `${address}\t${names.join(' ')}`;
}
