import { EngineError } from './errors.ts';

/**
 * Maximum entries of a list or map that clients send, and of those that a container has from its image. All of them are kept in
 * memory, are shown by inspect, and are worked through in one turn of the event loop.
 */
const MAX_ENTRIES = 4096;

/** Maximum entries of lists and maps that need another maximum than MAX_ENTRIES. Names are in lower case. */
const MAXIMA: Readonly<Record<string, number>> = {
  // Command lines of generated file names are long. Entries cost no more than their text.
  ...entriesOf(['args', 'cmd', 'entrypoint', 'env'], 32_768),
  // Each entry is opened or created on the host, and mounted at the start.
  ...entriesOf(['binds', 'mounts', 'tmpfs', 'volumes', 'volumesfrom', 'devices', 'devicerequests'], 1024),
  // Each is written to a file of the container that resolvers read from its beginning.
  ...entriesOf(['dns', 'dnsoptions', 'dnssearch'], 256),
  // Subnets are compared with each other.
  ...entriesOf(['config'], 256),
  ...entriesOf(['exposedports', 'portbindings'], 16_384),
};

/**
 * Maximum ports that one container publishes, counted by protocol and binding. It covers ranges of media servers, such
 * as 10000 to
 * 20000. Each port has one listening socket for each address family, and one element in a map of the packet filter.
 */
export const MAX_PUBLISHED_PORTS = 10_240;

/**
 * Maximum mount points that one container takes from others by VolumesFrom; a container that is named twice counts
 * twice. Inherited mounts are inherited again, so a few requests could otherwise multiply them.
 */
export const MAX_INHERITED_MOUNTS = 4096;

/** Maximum exposed ports shown for one container: all of TCP and UDP. */
export const MAX_EXPOSED_PORTS = 2 * 65_536;

/**
 * Shares of the agent's descriptors that published ports may take: for listening, and for the connections that pass through the
 * agent. Without these limits they would leave no descriptor for other containers.
 */
export const LISTENING_SHARE = 0.6;
export const RELAYING_SHARE = 0.2;

/**
 * Refuses a value of JSON in which a list or map has too many entries, at any depth. `at` is the path of `value`, for messages;
 * '' for a whole body. Throws EngineError 'bad-request'.
 */
export function checkEntries(value: unknown, at = ''): void {
  const waiting = [{ value, at, name: lastName(at) }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (typeof next.value !== 'object' || next.value === null) continue;
    const entries = Object.entries(next.value);
    const maximum = MAXIMA[next.name] ?? MAX_ENTRIES;
    if (entries.length > maximum) {
      const where = next.at === '' ? 'the JSON' : next.at;
      throw new EngineError(
        'bad-request',
        `${where} has ${entries.length} entries: the maximum is ${maximum}`,
      );
    }
    const isList = Array.isArray(next.value);
    for (const [key, item] of entries) {
      if (typeof item !== 'object' || item === null) continue;
      const path = isList ? `${next.at}[${key}]` : `${next.at}${next.at === '' ? '' : '.'}${key}`;
      waiting.push({ value: item, at: path.slice(0, 200), name: isList ? '' : key.toLowerCase() });
    }
  }
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf('.') + 1).toLowerCase();
}

function entriesOf(names: readonly string[], maximum: number): Readonly<Record<string, number>> {
  return Object.fromEntries(names.map((name) => [name, maximum]));
}
