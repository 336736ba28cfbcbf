import { join } from 'node:path';
import { type BuildkitDoor, createBuildkitDoor } from '../build/buildkit/buildkit-door.ts';
import { SyncedFolders } from '../build/buildkit/session/synced-folders.ts';
import { type CreateBuilderOptions, createBuilder } from '../build/create-builder.ts';
import { decodeContainerConfig } from '../engine-api/decode/container-config.ts';
import { decodeHostConfig } from '../engine-api/decode/host-config.ts';
import type { BuildDeps } from '../engine-api/engine-deps.ts';
import type { HostFacts } from '../engine-api/host-facts.ts';
import { hostPlatform } from '../images/platform.ts';

/** Files of one context; no project of people comes near it. */
const MAX_CONTEXT_ENTRIES = 4_000_000;

export interface OpenBuildOptions
  extends Omit<CreateBuilderOptions, 'defaults' | 'runtime' | 'dataDirectory'> {
  readonly runtime: CreateBuilderOptions['runtime'];
  readonly host: HostFacts;
  /** Bytes of one context, uncompressed. */
  readonly maxContextSize: number;
}

/** Opens the builder and both of its doors. */
export async function openBuild(
  options: OpenBuildOptions,
): Promise<{ readonly build: BuildDeps; readonly buildkit: BuildkitDoor }> {
  const { host, images, maxContextSize } = options;
  const { dataDirectory } = host;
  const defaults = {
    config: decodeContainerConfig({ Image: 'build' }),
    hostConfig: decodeHostConfig({}, host),
  };
  const builder = await createBuilder({ ...options, dataDirectory, defaults });
  const folders = new SyncedFolders(join(dataDirectory, 'build-synced'));
  const contexts = {
    directory: join(dataDirectory, 'build-contexts'),
    limits: { size: maxContextSize, entries: MAX_CONTEXT_ENTRIES },
  };
  const buildkit = createBuildkitDoor({
    builder,
    images,
    worker: { ...host, platform: hostPlatform() },
    places: { folders, archives: contexts },
    cache: folders,
  });
  return { build: { builder, contexts }, buildkit };
}
