import type { Digest } from '../../../oci/digest.ts';
import type { CacheRecord } from '../../builder/build-cache.ts';
import type { Image } from '../../images/image.ts';
import { ZERO_TIME } from './status-text.ts';

/** How the layers of images share the disk. */
export interface LayerUsage {
  /** Bytes of all layers, each counted once. */
  readonly total: number;
  /** Bytes of an image's layers that another image has too. */
  shared(image: Image): number;
}

/** Measures the usage from `sizes`, which contains every layer of the images. */
export function layerUsage(images: readonly Image[], sizes: ReadonlyMap<Digest, number>): LayerUsage {
  const users = new Map<Digest, number>();
  for (const image of images) {
    for (const diffId of new Set(image.diffIds)) users.set(diffId, (users.get(diffId) ?? 0) + 1);
  }
  const sum = (diffIds: Iterable<Digest>) =>
    [...diffIds].reduce((bytes, diffId) => bytes + (sizes.get(diffId) ?? 0), 0);
  return {
    total: sum(users.keys()),
    shared: ({ diffIds }) => sum([...new Set(diffIds)].filter((diffId) => (users.get(diffId) ?? 0) > 1)),
  };
}

/** A record of the build cache (Engine API, BuildCache). */
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
