import type { CacheRecord } from '../../builder/build-cache.ts';
import { ZERO_TIME } from './status-text.ts';

/** What a build has kept (Engine API, BuildCache). */
export function cacheRecordJson(record: CacheRecord): object {
  const { id, type, description, inUse, shared, size, createdAt, lastUsedAt, usageCount } = record;
  return {
    ID: id,
    Parents: null,
    Type: type,
    Description: description,
    InUse: inUse,
    Shared: shared,
    Size: size,
    CreatedAt: createdAt.toISOString(),
    LastUsedAt: lastUsedAt?.toISOString() ?? ZERO_TIME,
    UsageCount: usageCount,
  };
}
