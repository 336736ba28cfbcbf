import { Code, ConnectError } from '@connectrpc/connect';
import type { Build, Builds } from '../builds/build.ts';
import { builtImages } from '../exporters/built-images.ts';
import {
  decodeExporter,
  type ExporterRequest,
  pushedNames,
  sentForms,
} from '../exporters/exporter-options.ts';
import { type ExportersDeps, exportAll } from '../exporters/exporters.ts';
import { type CacheEntry, decodeCacheExports } from '../frontend/cache-entries.ts';
import type { Frontend, FrontendCall } from '../frontend/frontend.ts';
import type { SolveRequest } from '../proto/control_pb.ts';
import type { Sessions } from '../session/sessions.ts';
import type { WorkerFacts } from './worker-record.ts';

/** Dependencies of solving builds. */
export interface SolveDeps {
  readonly builds: Builds;
  readonly frontend: Frontend;
  readonly sessions: Sessions;
  readonly exporters: ExportersDeps;
  readonly worker: WorkerFacts;
}

export interface SolveCall {
  readonly request: SolveRequest;
  /** Options of the request itself. */
  readonly sent?: FrontendCall['sent'];
}

/**
 * Builds, and exports the result. Returns the exporter response for BuildKit's clients. Throws EngineError and
 * ConnectError.
 */
export async function solve(
  deps: SolveDeps,
  call: SolveCall,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  const { request } = call;
  const build = deps.builds.start(request.Ref);
  try {
    const exporters = exportersOf(request);
    const plans = exporters.map(decodeExporter);
    build.configure({
      session: request.Session,
      sends: sentForms(plans),
      pushesTo: pushedNames(plans),
      entitlements: request.Entitlements,
      ...decodeCacheExports(cacheExportsOf(request)),
    });
    const refs = await refsOf(deps.frontend, build, call, signal);
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
 * Returns the references of the results. If a request names a frontend, it runs at once; without a definition the
 * client's callback on the bridge decides; an empty definition, which means scratch, has no result.
 */
async function refsOf(
  frontend: Frontend,
  build: Build,
  { request, sent }: SolveCall,
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
  const solved = await frontend.solve(
    build,
    { name: request.Frontend, options, images: new Map(), sent },
    signal,
  );
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
