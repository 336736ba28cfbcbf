import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { CacheRecord } from '../../build-cache.ts';
import type { UsageRecordSchema } from '../proto/control_pb.ts';

/** A record of the build cache as BuildKit's clients read it. */
export function usageRecord(record: CacheRecord): MessageInitShape<typeof UsageRecordSchema> {
  return {
    ID: record.id,
    Mutable: record.type !== 'regular',
    InUse: record.inUse,
    Size: BigInt(record.size),
    CreatedAt: timestampFromDate(record.createdAt),
    ...(record.lastUsedAt === undefined ? {} : { LastUsedAt: timestampFromDate(record.lastUsedAt) }),
    UsageCount: BigInt(record.usageCount),
    Description: record.description,
    RecordType: record.type,
    Shared: record.shared,
  };
}
