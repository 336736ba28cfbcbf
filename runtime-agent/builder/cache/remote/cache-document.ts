import { type Digest, isDigest } from '../../../../oci/digest.ts';
import { EngineError } from '../../../errors.ts';

/** A step of an earlier build, on any host. */
export interface RemoteStep {
  /** Digests of its inputs and actions; any one of them identifies it. */
  readonly keys: readonly string[];
  /** Its layer; undefined where it changed no file. */
  readonly diffId: Digest | undefined;
  /** The instruction. */
  readonly description: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** The configuration of a cache in a registry: an artifact whose layers are those of its steps. */
export interface CacheDocument {
  readonly steps: readonly RemoteStep[];
  /** Digests of the manifest's uncompressed layers, in order. */
  readonly diffIds: readonly Digest[];
}

/** The media type that marks a manifest as such a cache. */
export const CACHE_CONFIG_TYPE = 'application/vnd.berth.build-cache.config.v1+json';

/** The field of an image's configuration that holds the cache of its own steps. */
export const INLINE_CACHE = 'berth.build-cache.v1';

/** Maximum bytes of a document. */
export const MAX_CACHE_DOCUMENT = 16 << 20;

export function encodeCacheDocument({ steps, diffIds }: CacheDocument): Buffer {
  return Buffer.from(JSON.stringify({ version: 1, diffIds, steps }));
}

/** Decodes such a document. Throws EngineError 'bad-request' for anything else. */
export function decodeCacheDocument(bytes: Uint8Array): CacheDocument {
  const document = parseJson(bytes);
  const { steps, diffIds } = (document ?? {}) as { steps?: unknown; diffIds?: unknown };
  if (!Array.isArray(steps) || !Array.isArray(diffIds) || !diffIds.every(isDigestText)) {
    throw new EngineError('bad-request', 'the cache is damaged: its configuration lists no steps and layers');
  }
  return { diffIds, steps: steps.filter(isStep) };
}

/** Decodes the cache in an image's configuration; undefined without one. Throws EngineError 'bad-request'. */
export function decodeInlineCache(bytes: Uint8Array): CacheDocument | undefined {
  const { rootfs, [INLINE_CACHE]: steps } = (parseJson(bytes) ?? {}) as {
    rootfs?: { diff_ids?: unknown };
    [INLINE_CACHE]?: unknown;
  };
  const diffIds = rootfs?.diff_ids;
  if (!Array.isArray(steps) || !Array.isArray(diffIds) || !diffIds.every(isDigestText)) return undefined;
  return { diffIds, steps: steps.filter(isStep) };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw new EngineError('bad-request', 'the cache is damaged: its configuration is not JSON', { cause });
  }
}

function isStep(value: unknown): value is RemoteStep {
  const { keys, diffId, description, createdAt } = (value ?? {}) as Partial<
    Record<keyof RemoteStep, unknown>
  >;
  return (
    Array.isArray(keys) &&
    keys.length > 0 &&
    keys.every((key) => typeof key === 'string' && /^[0-9a-f]{64}$/.test(key)) &&
    (diffId === undefined || isDigestText(diffId)) &&
    typeof description === 'string' &&
    Number.isSafeInteger(createdAt)
  );
}

function isDigestText(value: unknown): value is Digest {
  return typeof value === 'string' && isDigest(value);
}
