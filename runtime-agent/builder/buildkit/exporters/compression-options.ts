import { EngineError } from '../../../errors.ts';
import type { CompressionKind, LayerCompression } from '../../../images/compression/layer-compression.ts';

/** How the layers of an output are compressed. */
export interface ImageCompression {
  readonly compression: LayerCompression;
  /** Also recompress layers of the base, which otherwise stay unchanged. */
  readonly forces: boolean;
}

export const COMPRESSION_ATTRIBUTES: ReadonlySet<string> = new Set([
  'compression',
  'compression-level',
  'force-compression',
]);

/** The supported levels, and why others are refused. */
const LEVELS: Readonly<Record<CompressionKind, readonly [number, number]>> = {
  gzip: [0, 9],
  zstd: [0, 22],
  uncompressed: [0, 0],
};

/** Whether an attribute is true, as Go's programs read it. */
export function isSet(attributes: ReadonlyMap<string, string>, name: string): boolean {
  return /^(1|t|true)$/i.test(attributes.get(name) ?? '');
}

/**
 * Decodes `compression=`, `compression-level=` and `force-compression=`; undefined without any. Throws EngineError
 * 'bad-request'.
 */
export function decodeCompression(attributes: ReadonlyMap<string, string>): ImageCompression | undefined {
  if (![...COMPRESSION_ATTRIBUTES].some((name) => attributes.has(name))) return undefined;
  const kind = decodeKind(attributes.get('compression') ?? 'gzip');
  const forces = isSet(attributes, 'force-compression');
  const text = attributes.get('compression-level');
  if (text === undefined || text === '') return { compression: { kind }, forces };
  const level = /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN;
  const [least, most] = LEVELS[kind];
  if (!(level >= least && level <= most)) {
    throw new EngineError(
      'bad-request',
      `compression-level=${text} is not a level of ${kind}: its levels are ${least} to ${most}`,
    );
  }
  return { compression: { kind, level }, forces };
}

function decodeKind(text: string): CompressionKind {
  if (text === 'gzip' || text === 'zstd' || text === 'uncompressed') return text;
  throw new EngineError(
    'bad-request',
    `compression=${text} is not supported: there are gzip, zstd and uncompressed`,
  );
}
