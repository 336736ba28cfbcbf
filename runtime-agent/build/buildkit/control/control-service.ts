import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import type { BuildCache } from '../../build-cache.ts';
import { builtImages } from '../exporters/built-images.ts';
import { decodeExporter, type ExporterRequest } from '../exporters/exporter-options.ts';
import { type ExportersDeps, exportAll } from '../exporters/exporters.ts';
import { sentForms } from '../exporters/sent-forms.ts';
import { type CacheEntry, decodeCacheExports } from '../frontend/cache-entries.ts';
import type { Frontend } from '../frontend/frontend.ts';
import { grpcError } from '../grpc/grpc-error.ts';
import type { Control, SolveRequest } from '../proto/control_pb.ts';
import type { Sessions } from '../session/sessions.ts';
import type { Build } from './build.ts';
import type { Builds } from './builds.ts';
import { readUsageFilter } from './usage-filter.ts';
import { usageRecord } from './usage-record.ts';
import { type WorkerFacts, workerRecord } from './worker-record.ts';

/** What the control API is made over. */
export interface ControlDeps {
  readonly builds: Builds;
  readonly frontend: Frontend;
  readonly sessions: Sessions;
  readonly exporters: ExportersDeps;
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
      // Nanoseconds; 0 is no limit.
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
        return { ExporterResponse: await solve(deps, request, signal) };
      } catch (error) {
        throw grpcError(error);
      }
    },
  };
}

/** What was asked wrongly is told in gRPC's form. */
function asked<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw grpcError(error);
  }
}

async function solve(
  deps: ControlDeps,
  request: SolveRequest,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  const build = deps.builds.start(request.Ref);
  try {
    const exporters = exportersOf(request);
    const plans = exporters.map(decodeExporter);
    build.configure({
      session: request.Session,
      sends: sentForms(plans),
      entitlements: request.Entitlements,
      ...decodeCacheExports(cacheExportsOf(request)),
    });
    const refs = await refsOf(deps.frontend, build, request, signal);
    const solved = refs.map((ref) => {
      const known = build.solved(ref);
      if (known === undefined) throw new ConnectError(`no result ${ref} of this build`, Code.NotFound);
      return known;
    });
    const built = builtImages(solved, deps.worker.platform);
    if (built === undefined) return {};
    return await exportAll(deps.exporters, {
      built,
      folderCache: build.folderCache,
      plans,
      session: () => deps.sessions.get(request.Session, signal),
      progress: (step) => build.progress(step),
      signal,
    });
  } finally {
    await build.end();
  }
}

/**
 * The references of the results. A request that names a frontend has it run at once; one without a definition leaves that to
 * the client's callback on the bridge; an empty definition, which is that of scratch, has no result.
 */
async function refsOf(
  frontend: Frontend,
  build: Build,
  request: SolveRequest,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (request.Frontend === '') {
    if (request.Definition?.def.length === 0) return [];
    if (request.Definition !== undefined) {
      throw new ConnectError('berth-agent builds Dockerfiles, and no definitions of LLB', Code.Unimplemented);
    }
    return await build.returned(signal);
  }
  const options = new Map(Object.entries(request.FrontendAttrs));
  const solved = await frontend.solve(build, { name: request.Frontend, options, images: new Map() }, signal);
  return solved.map(({ ref }) => ref);
}

function cacheExportsOf(request: SolveRequest): readonly CacheEntry[] {
  const exports = request.Cache?.Exports ?? [];
  return exports.map(({ Type, Attrs }) => ({ type: Type, attributes: new Map(Object.entries(Attrs)) }));
}

function exportersOf(request: SolveRequest): readonly ExporterRequest[] {
  const exporters = request.Exporters.map(({ Type, Attrs }) => ({ type: Type, attributes: Attrs }));
  if (exporters.length === 0 && request.ExporterDeprecated !== '') {
    exporters.push({ type: request.ExporterDeprecated, attributes: request.ExporterAttrsDeprecated });
  }
  return exporters.map(({ type, attributes }) => ({ type, attributes: new Map(Object.entries(attributes)) }));
}
