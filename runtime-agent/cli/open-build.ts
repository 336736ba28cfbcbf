import { join } from 'node:path';
import { JsonFields } from '../../lib/json/json-fields.ts';
import { AgentImageOutputs } from '../builder/agent-image-outputs.ts';
import { boundedBuilder } from '../builder/bounded-builder.ts';
import { combinedCache } from '../builder/build-cache.ts';
import type { BuildkitApi } from '../builder/buildkit/buildkit-api.ts';
import { SyncedFolders } from '../builder/buildkit/session/synced-folders.ts';
import { type CreateBuilderOptions, createBuilder } from '../builder/create-builder.ts';
import { readHostConfig } from '../containers/host-config.ts';
import { decodeContainerConfig } from '../engine-api/decode/create-request.ts';
import type { BuildDeps } from '../engine-api/engine-deps.ts';
import type { HostFacts } from '../engine-api/host-facts.ts';
import type { ImageAttestations } from '../images/attestations/image-attestations.ts';
import type { ImageIndexes } from '../images/indexes/image-indexes.ts';
import { hostPlatform } from '../images/platform.ts';
import { runDirectory } from './run-directory.ts';

/** Maximum files of one context; far more than any project has. */
const MAX_CONTEXT_ENTRIES = 4_000_000;

export interface OpenBuildOptions
  extends Omit<CreateBuilderOptions, 'defaults' | 'contexts' | 'dataDirectory' | 'memoryDirectory'> {
  readonly host: HostFacts;
  readonly attestations: ImageAttestations;
  readonly indexes: ImageIndexes;
  /** Maximum bytes of one context, uncompressed. */
  readonly maxContextSize: number;
  /** Maximum bytes of the cache. */
  readonly maxCacheSize: number;
  /** Aborted when the agent stops. */
  readonly signal: AbortSignal;
}

/** Opens the builder and BuildKit's API over it. */
export async function openBuild(
  options: OpenBuildOptions,
): Promise<{ readonly build: BuildDeps; readonly buildkit: BuildkitApi }> {
  const { host, images, maxContextSize, log, signal } = options;
  const { dataDirectory } = host;
  const defaults = {
    config: decodeContainerConfig(new JsonFields({ Image: 'build' })),
    hostConfig: readHostConfig(new JsonFields(null), host),
  };
  const contexts = {
    directory: join(dataDirectory, 'build-contexts'),
    limits: { size: maxContextSize, entries: MAX_CONTEXT_ENTRIES },
  };
  const memoryDirectory = join(runDirectory(dataDirectory), 'build');
  const made = await createBuilder({ ...options, dataDirectory, memoryDirectory, defaults, contexts });
  const folders = new SyncedFolders(join(dataDirectory, 'build-synced'));
  const cache = combinedCache([...made.caches, folders]);
  const builder = boundedBuilder(made.builder, { cache, limit: options.maxCacheSize, log, signal });
  const buildkit = lazyBuildkitApi(async () => {
    const { createBuildkitApi } = await import('../builder/buildkit/buildkit-api.ts');
    return createBuildkitApi({
      builder,
      images,
      outputs: new AgentImageOutputs(options),
      indexes: options.indexes,
      attestations: options.attestations,
      worker: { ...host, platform: hostPlatform() },
      places: { folders, archives: contexts },
      cache,
    });
  });
  return { build: { builder, contexts, cache }, buildkit };
}

/**
 * Calls `open` for the first client: its libraries take forty megabytes and half a second, which a host without builds
 * can save.
 */
function lazyBuildkitApi(open: () => Promise<BuildkitApi>): BuildkitApi {
  let opened: Promise<BuildkitApi> | undefined;
  const api = () => {
    opened ??= open();
    return opened;
  };
  return {
    async accept(request) {
      return await (await api()).accept(request);
    },
    async *build(request, signal) {
      yield* (await api()).build(request, signal);
    },
    close() {
      void opened?.then((made) => made.close());
    },
  };
}
