import { isDigest } from '../../../../oci/digest.ts';
import { EngineError } from '../../../errors.ts';
import type { CacheSource, CacheTarget } from '../../cache/remote/remote-cache.ts';
import type { CacheExports } from '../builds/build.ts';
import type { FrontendOptions } from './options.ts';

/** A place of the build cache as clients name it: `type=registry,ref=…`. */
export interface CacheEntry {
  readonly type: string;
  readonly attributes: ReadonlyMap<string, string>;
}

/** Options without an effect: caches are always OCI artifacts, compressed with gzip. */
const WITHOUT_EFFECT = ['oci-mediatypes', 'image-manifest', 'registry.insecure'];

/** Decodes `--cache-from`. Throws EngineError 'bad-request' for an unknown type. */
export function decodeCacheImports(options: FrontendOptions): readonly CacheSource[] {
  const simple = (options.get('cache-from') ?? '').split(',').filter((reference) => reference !== '');
  return [
    ...simple.map((reference): CacheSource => ({ kind: 'registry', reference })),
    ...parseEntries(options.get('cache-imports')).map((entry): CacheSource => {
      const place = decodePlace('--cache-from', 'src', entry);
      refuseOthers('--cache-from', entry, ['ref', 'src', 'digest', 'tag', ...WITHOUT_EFFECT]);
      if (place.kind === 'registry') return place;
      // The client has looked it up in the index of its folder.
      const digest = entry.attributes.get('digest') ?? '';
      if (isDigest(digest)) return { ...place, digest };
      throw new EngineError('bad-request', `there is no cache in ${place.path}: its index names none`);
    }),
  ];
}

/** Decodes `--cache-to`. Throws EngineError 'bad-request' for an unknown type. */
export function decodeCacheExports(entries: readonly CacheEntry[]): CacheExports {
  const others = entries.filter(({ type }) => type !== 'inline');
  const cacheTo = others.map((entry): CacheTarget => {
    const mode = entry.attributes.get('mode') ?? 'min';
    if (mode !== 'min' && mode !== 'max') {
      throw new EngineError('bad-request', `the mode "${mode}" of --cache-to is neither min nor max`);
    }
    const place = decodePlace('--cache-to', 'dest', entry);
    refuseOthers('--cache-to', entry, ['ref', 'dest', 'mode', 'tag', 'ignore-error', ...WITHOUT_EFFECT]);
    return { ...place, mode, ignoresErrors: entry.attributes.get('ignore-error') === 'true' };
  });
  const modes = new Set(cacheTo.filter(({ kind }) => kind === 'folder').map(({ mode }) => mode));
  if (modes.size > 1) {
    throw new EngineError(
      'bad-request',
      '--cache-to type=local of two modes is not supported: leave one cache of mode=max, which has all that one of mode=min has',
    );
  }
  return { cacheTo, inlineCache: others.length < entries.length };
}

function decodePlace(
  flag: string,
  path: 'src' | 'dest',
  { type, attributes }: CacheEntry,
):
  | { readonly kind: 'registry'; readonly reference: string }
  | { readonly kind: 'folder'; readonly path: string } {
  if (type !== 'registry' && type !== 'local') {
    throw new EngineError(
      'bad-request',
      `${flag} type=${type} is not supported: the cache is kept in a registry, with type=registry,ref=…, in a folder, with type=local,${path}=…, or in the image, with --cache-to type=inline`,
    );
  }
  const name = type === 'registry' ? 'ref' : path;
  const value = attributes.get(name) ?? '';
  if (value === '') throw new EngineError('bad-request', `${flag} type=${type} needs ${name}=…`);
  return type === 'registry' ? { kind: 'registry', reference: value } : { kind: 'folder', path: value };
}

function refuseOthers(flag: string, { type, attributes }: CacheEntry, known: readonly string[]): void {
  for (const [name, value] of attributes) {
    if (known.includes(name) || (name === 'compression' && value === 'gzip')) continue;
    throw new EngineError(
      'bad-request',
      `the option ${name}=${value} of ${flag} type=${type} is not supported`,
    );
  }
}

function parseEntries(json: string | undefined): readonly CacheEntry[] {
  if (json === undefined || json === '') return [];
  try {
    const entries = JSON.parse(json) as { Type?: string; Attrs?: Record<string, string> }[];
    return entries.map(({ Type, Attrs }) => ({
      type: Type ?? '',
      attributes: new Map(Object.entries(Attrs ?? {})),
    }));
  } catch (error) {
    throw new EngineError('bad-request', 'the build option "cache-imports" is not JSON', { cause: error });
  }
}
