import type { Digest } from '../../oci/digest.ts';
import type { Change, ConfigView, DifferenceView, LayerView } from './browse.ts';

/** One side of a comparison. */
export interface Compared {
  readonly digest: Digest;
  readonly layers: readonly Pick<LayerView, 'digest' | 'size'>[];
  readonly config: ConfigView | undefined;
}

/** Returns the difference for a client that has one image and pulls another. */
export function differenceOf(from: Compared, to: Compared): Omit<DifferenceView, 'platform' | 'packages'> {
  const before = new Set(from.layers.map(({ digest }) => digest));
  const after = new Set(to.layers.map(({ digest }) => digest));
  const removed = from.layers.filter(({ digest }) => !after.has(digest));
  const shared = to.layers.findIndex(({ digest }) => !before.has(digest));
  const common = shared < 0 ? to.layers.length : shared;
  const marked = to.layers.map(
    ({ digest, size }) => ({ digest, size, change: before.has(digest) ? 'same' : 'added' }) as const,
  );
  const layers = [
    ...marked.slice(0, common),
    ...removed.map(({ digest, size }) => ({ digest, size, change: 'removed' }) as const),
    ...marked.slice(common),
  ];
  const added = new Map(
    marked.filter(({ change }) => change === 'added').map(({ digest, size }) => [digest, size]),
  );
  return {
    from: from.digest,
    to: to.digest,
    layers,
    download: [...added.values()].reduce((sum, size) => sum + size, 0),
    configuration: changes(fieldsOf(from.config), fieldsOf(to.config)),
    environment: changes(environmentOf(from.config), environmentOf(to.config)),
    labels: changes(from.config?.labels ?? {}, to.config?.labels ?? {}),
  };
}

const FIELDS = [
  'platform',
  'user',
  'workingDirectory',
  'entrypoint',
  'command',
  'exposedPorts',
  'volumes',
  'stopSignal',
  'author',
  'problem',
] as const;

function fieldsOf(config: ConfigView | undefined): Readonly<Record<string, string>> {
  return Object.fromEntries(
    FIELDS.flatMap((name) => {
      const value = config?.[name];
      if (value === undefined || (typeof value !== 'string' && value.length === 0)) return [];
      return [[name, typeof value === 'string' ? value : JSON.stringify(value)]];
    }),
  );
}

/** Returns the environment by name; the last value of a name counts, as in a container. */
function environmentOf(config: ConfigView | undefined): Readonly<Record<string, string>> {
  const variables = new Map<string, string>();
  for (const text of config?.environment ?? []) {
    const equals = text.indexOf('=');
    if (equals < 0) variables.set(text, '');
    else variables.set(text.slice(0, equals), text.slice(equals + 1));
  }
  return Object.assign(Object.create(null), Object.fromEntries(variables));
}

/** Returns the differences, ordered by name. */
function changes(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): readonly Change[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].toSorted().flatMap((name): readonly Change[] => {
    const [was, is] = [before[name], after[name]];
    if (was === is) return [];
    return [{ name, ...(was !== undefined && { before: was }), ...(is !== undefined && { after: is }) }];
  });
}
