import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import type { BuildCache, CacheRecord } from '../../build-cache.ts';
import { grpcError } from '../grpc/grpc-error.ts';
import type { Control, UsageRecordSchema } from '../proto/control_pb.ts';
import { type SolveDeps, solve } from './solve.ts';
import { readUsageFilter } from './usage-filter.ts';
import { type WorkerFacts, workerRecord } from './worker-record.ts';

/** Dependencies of the control API. */
export interface ControlDeps extends SolveDeps {
  readonly cache: BuildCache;
  readonly worker: WorkerFacts;
}

/** The part of BuildKit's Control service that clients of an engine call. */
export function controlService(deps: ControlDeps): Partial<ServiceImpl<typeof Control>> {
  return {
    listWorkers: () => ({ record: [workerRecord(deps.worker)] }),
    info: () => ({ buildkitVersion: workerRecord(deps.worker).BuildkitVersion }),
    async diskUsage({ filter }, { signal }) {
      const matches = asked(() => readUsageFilter(filter));
      return { record: (await deps.cache.records(signal)).filter(matches).map(usageRecord) };
    },
    async *prune({ filter, all, keepDuration, keepBytes }, { signal }) {
      const matches = asked(() => readUsageFilter(filter));
      // Nanoseconds; 0 means no limit.
      const usedBefore = new Date(Date.now() - Number(keepDuration / 1_000_000n));
      const pruning = {
        all,
        keepBytes: Number(keepBytes),
        matches,
        ...(keepDuration === 0n ? {} : { usedBefore }),
      };
      for (const record of await deps.cache.prune(pruning, signal)) yield usageRecord(record);
    },
    async *status({ Ref }, { signal }) {
      const build = await deps.builds.get(Ref, signal).catch((error: unknown) => {
        throw grpcError(error);
      });
      yield* build.status.follow(signal);
    },
    async solve(request, { signal }) {
      try {
        return { ExporterResponse: await solve(deps, { request }, signal) };
      } catch (error) {
        throw grpcError(error);
      }
    },
  };
}

/** Reports invalid requests in gRPC's form. */
function asked<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw grpcError(error);
  }
}

/** A record of the build cache as BuildKit's clients read it. */
function usageRecord(record: CacheRecord): MessageInitShape<typeof UsageRecordSchema> {
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
