import { EngineError } from '../../../errors.ts';
import type { BuildRequest } from '../../builder.ts';
import type { FrontendOptions } from './options.ts';

/** A place of the build cache as clients name it: `type=registry,ref=…`. */
export interface CacheEntry {
  readonly type: string;
  readonly attributes: ReadonlyMap<string, string>;
}

/** The references of `--cache-from`. Throws EngineError 'bad-request' for a place that is no registry. */
export function decodeCacheImports(options: FrontendOptions): readonly string[] {
  const simple = (options.get('cache-from') ?? '').split(',').filter((reference) => reference !== '');
  return [
    ...simple,
    ...parseEntries(options.get('cache-imports')).map((entry) => reference('--cache-from', entry)),
  ];
}

/** Where `--cache-to` puts the steps of a build. */
export interface CacheExports {
  readonly cacheTo: BuildRequest['cacheTo'];
  readonly inlineCache: boolean;
}

/** The places of `--cache-to`. Throws EngineError 'bad-request' for a place that is neither a registry nor the image. */
export function decodeCacheExports(entries: readonly CacheEntry[]): CacheExports {
  const others = entries.filter(({ type }) => type !== 'inline');
  const cacheTo = others.map((entry): CacheExports['cacheTo'][number] => {
    const mode = entry.attributes.get('mode') ?? 'min';
    if (mode !== 'min' && mode !== 'max') {
      throw new EngineError('bad-request', `the mode "${mode}" of --cache-to is neither min nor max`);
    }
    return { reference: reference('--cache-to', entry), mode };
  });
  return { cacheTo, inlineCache: others.length < entries.length };
}

function reference(flag: string, { type, attributes }: CacheEntry): string {
  if (type !== 'registry') {
    throw new EngineError(
      'bad-request',
      `${flag} type=${type} is not supported: the cache is kept in a registry, with type=registry,ref=…, or in the image, with --cache-to type=inline`,
    );
  }
  const ref = attributes.get('ref') ?? '';
  if (ref === '') throw new EngineError('bad-request', `${flag} type=registry needs ref=…`);
  return ref;
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
