import { EngineError } from '../../errors.ts';
import type { MountPoint, Propagation } from '../container-info.ts';
import type { MountRequest } from '../mount-request.ts';

/** A parsed `-v`: a host path or a volume (undefined: an anonymous one), and its options. */
export interface ParsedBind {
  readonly source: { readonly path: string } | { readonly volume: string | undefined };
  readonly destination: string;
  readonly mode: string;
  readonly writable: boolean;
  readonly propagation: MountPoint['propagation'];
  readonly copyUp: boolean;
}

const PROPAGATIONS: ReadonlySet<string> = new Set<Propagation>([
  'private',
  'rprivate',
  'slave',
  'rslave',
  'shared',
  'rshared',
]);
/** SELinux labels and hints of Docker Desktop, which have no effect here. */
const WITHOUT_MEANING = new Set(['z', 'Z', 'consistent', 'cached', 'delegated']);

/**
 * Parses `[SOURCE:]DESTINATION[:OPTIONS]`; the source is a volume unless it is a path. `dataFolder` is the agent's own.
 * Throws EngineError 'bad-request'.
 */
export function parseBind(text: string, dataFolder?: string): ParsedBind {
  const parts = text.split(':');
  const [first = '', second, mode = ''] = parts;
  if (parts.length > 3 || parts.some((part, index) => part === '' && index !== 2)) refuse(text);
  const destination = second ?? first;
  const isPath = second !== undefined && first.startsWith('/');
  const { propagation, ...options } = parseBindOptions(mode, isPath, text);
  return {
    source: isPath ? { path: cleanPath(first) } : { volume: second === undefined ? undefined : first },
    destination: checkDestination(destination, isPath ? 'bind' : 'volume', wrongText(text)),
    ...options,
    propagation: isPath ? bindPropagation(propagation, cleanPath(first), dataFolder) : '',
  };
}

/** Parses `CONTAINER[:MODE]` of `--volumes-from`. Throws EngineError 'bad-request' with dockerd's message. */
export function parseVolumesFrom(text: string): { readonly container: string; readonly writable: boolean } {
  if (text === '') {
    throw new EngineError('bad-request', 'volumes-from specification cannot be an empty string');
  }
  const [container = '', ...rest] = text.split(':');
  if (container === '') throw new EngineError('bad-request', 'invalid name or ID supplied: ""');
  const mode = rest.join(':');
  const { writable, copyUp } = parseBindOptions(mode, false, text);
  if (!copyUp) refuseMode(mode);
  return { container, writable };
}

/**
 * Returns the propagation of a bind; `asked` is '' unless the client sets it. A source that contains or lies in the
 * agent's own folder is `rslave`: mounts of other containers would otherwise stay there after their exit. Throws
 * EngineError 'bad-request' with dockerd's message.
 */
export function bindPropagation(
  asked: MountPoint['propagation'],
  source: string,
  dataFolder: string | undefined,
): MountPoint['propagation'] {
  if (dataFolder === undefined || !overlap(source, dataFolder)) return asked === '' ? 'rprivate' : asked;
  if (asked === '' || asked === 'rslave') return 'rslave';
  if (asked === 'rshared') return asked;
  const places = `daemon root: ${JSON.stringify(dataFolder)}, bind mount source: ${JSON.stringify(source.slice(0, 200))}`;
  throw new EngineError(
    'bad-request',
    `invalid mount config: must use either propagation mode "rslave" or "rshared" when mount source is within the daemon root, ${places}, propagation: "${asked}"`,
  );
}

/** Reports whether one of two absolute paths contains the other. */
export function overlap(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => (path === '/' ? '/' : `${path}/`));
  return a !== undefined && b !== undefined && (a.startsWith(b) || b.startsWith(a));
}

/** Parses the options after the second colon, and those of `--volumes-from`. */
function parseBindOptions(
  mode: string,
  isPath: boolean,
  text: string,
): Pick<ParsedBind, 'mode' | 'writable' | 'propagation' | 'copyUp'> {
  let access: string | undefined;
  let propagation: MountPoint['propagation'] = '';
  let copyUp = !isPath;
  for (const option of mode === '' ? [] : mode.split(',')) {
    if (option === 'ro' || option === 'rw') {
      if (access !== undefined) refuseMode(mode);
      access = option;
    } else if (isPath && isPropagation(option)) propagation = option;
    else if (!isPath && option === 'nocopy') copyUp = false;
    else if (option === 'nocopy') {
      const why = 'invalid mount config for type "bind": field VolumeOptions must not be specified';
      throw new EngineError('bad-request', wrongText(text) + why);
    } else if (!WITHOUT_MEANING.has(option)) refuseMode(mode);
  }
  // dockerd shows a volume without options this way.
  const shown = mode === '' && !isPath ? 'z' : mode;
  return { mode: shown, writable: access !== 'ro', propagation, copyUp };
}

/**
 * Returns a cleaned absolute path inside the container. Throws EngineError 'bad-request' whose message begins with `where`.
 */
export function checkDestination(path: string, type: MountRequest['Type'], where = ''): string {
  const at = `${where}invalid mount config for type "${type}": `;
  if (!path.startsWith('/')) {
    const why = `invalid mount path: '${path.slice(0, 80)}' mount path must be absolute`;
    throw new EngineError('bad-request', at + why);
  }
  const clean = cleanPath(path);
  if (clean === '/') {
    throw new EngineError('bad-request', `${at}invalid specification: destination can't be '/'`);
  }
  return clean;
}

/** Cleans an absolute path as Go's path.Clean does. */
export function cleanPath(path: string): string {
  const kept: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') kept.pop();
    else if (part !== '' && part !== '.') kept.push(part);
  }
  return `/${kept.join('/')}`;
}

export function isPropagation(text: string): text is Propagation {
  return PROPAGATIONS.has(text);
}
function wrongText(text: string): string {
  return `invalid volume specification: '${text.slice(0, 200)}': `;
}

function refuseMode(mode: string): never {
  throw new EngineError('bad-request', `invalid mode: ${mode.slice(0, 80)}`);
}

function refuse(text: string): never {
  throw new EngineError('bad-request', `invalid volume specification: '${text.slice(0, 200)}'`);
}
