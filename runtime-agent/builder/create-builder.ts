import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { removeTree } from '../../lib/linux/files/remove-tree.ts';
import { makeMemoryFolder } from '../../lib/linux/mount/memory-folder.ts';
import { SingleFlight } from '../../lib/sync/single-flight.ts';
import type { Digest } from '../../oci/digest.ts';
import type { HttpExchange } from '../../oci/distribution/http-exchange.ts';
import type { ContainerConfig } from '../containers/container-info.ts';
import type { HostConfig } from '../containers/host-config.ts';
import type { LayerCompressor } from '../images/compression/layer-compressor.ts';
import type { Images } from '../images/images.ts';
import type { LayerBlobs } from '../images/layer-blobs/layer-blobs.ts';
import type { LayerLeases } from '../images/layer-fetcher.ts';
import type { LayerTransfer } from '../images/layer-transfer/layer-transfer.ts';
import type { PendingImages } from '../images/pending/pending-images.ts';
import type { ContainerNetworks } from '../networks/container-networks.ts';
import type { OciHost } from '../oci-runner/oci-host.ts';
import { sharedPaths } from '../oci-runner/run-paths.ts';
import { RuntimeCommands } from '../oci-runner/runtime-commands.ts';
import type { TreeTars } from '../snapshots/diff/tree-tar.ts';
import type { LayerStore } from '../snapshots/layer-store.ts';
import type { RootfsOverlays } from '../snapshots/rootfs-overlays.ts';
import type { BuildCache } from './build-cache.ts';
import type { Builder } from './builder.ts';
import { CacheMounts } from './cache/cache-mounts.ts';
import { CompressedLayers } from './cache/compressed-layers.ts';
import { agentRemoteCaches } from './cache/remote/agent-remote-caches.ts';
import { FolderCaches } from './cache/remote/folder-caches.ts';
import { RegistryCaches } from './cache/remote/registry-caches.ts';
import type { StepCache } from './cache/step-cache.ts';
import { StepRecords } from './cache/step-records.ts';
import type { UnpackOptions } from './context/unpack-archive.ts';
import type { Entitlement } from './entitlements.ts';
import { BuildRun, type BuildRunParts } from './execute/build-run.ts';
import { leaveCaches } from './execute/leave-caches.ts';
import { stubLayer } from './execute/stub-layer.ts';

export interface CreateBuilderOptions {
  readonly dataDirectory: string;
  /** The run directory of its containers. */
  readonly runDirectory: string;
  /** Becomes a file system in memory, for secrets. */
  readonly memoryDirectory: string;
  readonly images: Images;
  readonly pendingImages: PendingImages;
  readonly leases: LayerLeases;
  readonly layerStore: LayerStore;
  readonly overlays: RootfsOverlays;
  readonly tars: TreeTars;
  readonly networks: ContainerNetworks;
  readonly ociHost: OciHost;
  readonly stepCache: StepCache;
  readonly transfer: LayerTransfer;
  readonly compressor: LayerCompressor;
  readonly layerBlobs: LayerBlobs;
  /** Fetches URLs of ADD. */
  readonly exchange: HttpExchange;
  /** Folder for contexts and archives while they are read, and their limits. */
  readonly contexts: UnpackOptions;
  /** Defaults of `docker create`. */
  readonly defaults: { readonly config: ContainerConfig; readonly hostConfig: HostConfig };
  /** Entitlements that clients may grant to steps. */
  readonly allowed: readonly Entitlement[];
  /** Deletes unreferenced layers. */
  readonly sweep: () => Promise<void>;
  readonly log: Logger;
}

export interface CreatedBuilder {
  readonly builder: Builder;
  /** The caches of earlier builds. */
  readonly caches: readonly BuildCache[];
}

/** Returns the layers that builds of this host need even if no image has them. */
export async function layersOfBuilds(cache: StepCache): Promise<readonly Digest[]> {
  return [...(await cache.layers()), stubLayer().diffId];
}

/** Opens the builder of a host. Containers, and leftovers of builds, must have been recovered before. */
export async function createBuilder(options: CreateBuilderOptions): Promise<CreatedBuilder> {
  const { dataDirectory, memoryDirectory, layerStore, leases, ociHost: host } = options;
  const paths = sharedPaths(options);
  const stub = stubLayer();
  await leases.take(stub.diffId);
  if (!(await layerStore.has(stub.diffId))) {
    await layerStore.add(stub.diffId, only(stub.tar), new AbortController().signal);
  }
  await makeMemoryFolder(memoryDirectory);
  // Runtimes store a copy of a step's configuration, including secrets, in their state.
  const runtimeRoot = join(memoryDirectory, 'runtime');
  const bundles = join(memoryDirectory, 'bundles');
  await mkdir(bundles, { mode: 0o700 });
  await removeTree(options.contexts.directory);
  await mkdir(options.contexts.directory, { recursive: true, mode: 0o700 });
  const parts: BuildRunParts = {
    images: options.images,
    pendingImages: options.pendingImages,
    leases,
    cache: options.stepCache,
    remote: agentRemoteCaches(
      new RegistryCaches(options.transfer),
      new FolderCaches(options.transfer, options.compressor),
    ),
    compressor: options.compressor,
    transfer: options.transfer,
    allowed: options.allowed,
    cacheMounts: await CacheMounts.open(join(dataDirectory, 'build-mounts')),
    secretsDirectory: join(memoryDirectory, 'secrets'),
    unpack: options.contexts,
    exchange: options.exchange,
    running: new SingleFlight(),
    run: {
      layerStore,
      overlays: options.overlays,
      tars: options.tars,
      networks: options.networks,
      host,
      commands: new RuntimeCommands(host.runtime, runtimeRoot),
      paths: { ...paths, runtimeRoot },
      bundles,
      defaults: options.defaults,
      stub,
      log: options.log,
    },
  };
  const builder: Builder = {
    build: (request, progress, signal) => new BuildRun(parts, request, progress, signal).build(),
    leaveCaches: (images, request, progress, signal) =>
      leaveCaches(parts.remote, images, request, progress, signal),
  };
  const steps = new StepRecords({ steps: options.stepCache, images: options.images, sweep: options.sweep });
  // Ordered by how cheaply they are recreated: the cheapest is pruned first.
  return { builder, caches: [new CompressedLayers(options.layerBlobs, leases), steps, parts.cacheMounts] };
}

async function* only(chunk: Uint8Array): AsyncGenerator<Uint8Array> {
  yield chunk;
}
