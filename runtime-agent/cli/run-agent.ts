import { availableParallelism } from 'node:os';
import { type Logger, pino } from 'pino';
import { readVersion } from '../../lib/files/version.ts';
import type { PlainListener } from '../../lib/http/plain-server.ts';
import { proxyEnvironment } from '../../lib/http/proxies/proxy-settings.ts';
import type { MountNamespace } from '../../lib/linux/mount/mount-namespace.ts';
import { notifySystemd } from '../../lib/linux/notify-systemd.ts';
import { releaseProgramPages } from '../../lib/linux/release-program-pages.ts';
import { trimMemory } from '../../lib/linux/trim-memory.ts';
import type { MetricSet } from '../../lib/metrics/metric-set.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { startTracing } from '../../lib/tracing/start-tracing.ts';
import { CredentialFiles } from '../../oci/distribution/credentials/credential-files.ts';
import { HttpExchange } from '../../oci/distribution/http-exchange.ts';
import { RegistryClient } from '../../oci/distribution/registry-client.ts';
import { RemoteRegistry } from '../../oci/distribution/remote-registry.ts';
import { StepCache } from '../builder/cache/step-cache.ts';
import { layersOfBuilds } from '../builder/create-builder.ts';
import type { AgentConfig, ListenAddress } from '../config.ts';
import { layersOfContainers } from '../containers/container-table.ts';
import { createContainers } from '../containers/create-containers.ts';
import { openAgentDatabase } from '../database.ts';
import type { EngineDeps } from '../engine-api/engine-deps.ts';
import { createEngineServer } from '../engine-api/engine-server.ts';
import type { HostFacts } from '../engine-api/host-facts.ts';
import { EventBus } from '../events/event-bus.ts';
import { FleetDoor } from '../fleet/fleet-door.ts';
import { AgentImageArchives } from '../images/archive/agent-image-archives.ts';
import { createImages } from '../images/create-images.ts';
import { createNetworks } from '../networks/create-networks.ts';
import { loadApparmor } from '../oci-runner/apparmor.ts';
import { findRunFolder } from '../oci-runner/run-paths.ts';
import { selectRuntime } from '../oci-runner/runtimes.ts';
import { aborted, shutDown } from '../shutdown.ts';
import { chooseLayerStore } from '../snapshots/choose-layer-store.ts';
import { TreeThreads } from '../snapshots/diff/tree-threads.ts';
import { RootfsOverlays } from '../snapshots/rootfs-overlays.ts';
import { openVolumes } from '../volumes/local-volumes.ts';
import { exposeAgent } from './agent-metrics.ts';
import { asConfigError } from './as-config-error.ts';
import { claimDataFolder } from './data-folder.ts';
import { collectGarbage, keepMemorySmall } from './keep-memory-small.ts';
import { clearSocketPath, listenSocket } from './listen-socket.ts';
import { openBuild } from './open-build.ts';
import { readHostId, readSystemFacts } from './read-host-facts.ts';
import { runDirectory } from './run-directory.ts';
import { watchAgent } from './watch-agent.ts';

/**
 * Runs the agent in its mount namespace: returns when `interrupted` is aborted and everything is closed. Containers
 * keep running. Throws ConfigError for problems that its operator must solve.
 */
export async function runAgent(
  config: AgentConfig,
  { dataDirectory, mounts }: { readonly dataDirectory: string; readonly mounts: MountNamespace },
  interrupted: AbortSignal,
): Promise<void> {
  const log = pino({ level: config.logLevel }, pino.destination({ fd: 2, sync: true }));
  // The runtime would pass it on to containers.
  const notifySocket = process.env.NOTIFY_SOCKET;
  delete process.env.NOTIFY_SOCKET;
  claimDataFolder(dataDirectory);
  const tracer =
    config.tracing && (await startTracing(config.tracing, 'berth-agent', (line) => log.warn(line)));
  await clearSocketPath(config.socket);
  // The trials mostly wait for other programs.
  const [version, id, facts, runtime, apparmor, { layerStore, fallbackReason }, knex] = await Promise.all([
    readVersion(),
    readHostId(dataDirectory),
    readSystemFacts(),
    asConfigError(selectRuntime({ workDirectory: runDirectory(dataDirectory), log, signal: interrupted })),
    asConfigError(loadApparmor(log, process.env)),
    chooseLayerStore(dataDirectory, interrupted, { memory: runDirectory(dataDirectory) }),
    openAgentDatabase(dataDirectory),
  ]);

  const watched = watchAgent(config.watchdog, runDirectory(dataDirectory), log);
  const events = new EventBus();
  if (fallbackReason !== undefined) log.warn(fallbackReason);
  if (config.proxies !== undefined) passOn(proxyEnvironment(config.proxies));
  const exchange = new HttpExchange(config.proxies);
  const fleet = await FleetDoor.open({
    knex,
    dataDirectory,
    runDirectory: runDirectory(dataDirectory),
    exchange,
    log,
    ...(config.ingress !== undefined && {
      ingress: ingressOf(config.ingress, { dataDirectory, mounts, exchange, log }),
    }),
  });
  const registry = new RegistryClient({
    exchange,
    get insecureRegistries() {
      return [...config.insecureRegistries, ...fleet.insecureRegistries];
    },
    mirrors: config.registryMirrors,
    credentials: new CredentialFiles(config.registryAuthFiles),
  });
  const overlays = await RootfsOverlays.open(dataDirectory, layerStore);
  const stepCache = await StepCache.open(knex);
  const { images, pendingImages, push, leases, transfer, attestations, compressor, indexes, layerBlobs } =
    await createImages({
      dataDirectory,
      knex,
      layerStore,
      registry,
      events,
      layerLimit: config.layerLimit,
      keepLayerBlobs: !config.discardLayerBlobs,
      otherLayers: async () => [
        ...(await overlays.usedLayers()),
        ...(await layersOfBuilds(stepCache)),
        ...(await layersOfContainers(knex)),
      ],
    });
  const runFolder = await findRunFolder(dataDirectory, runDirectory(dataDirectory));
  const volumes = await openVolumes({ knex, events, dataDirectory, log });
  const networking = await createNetworks({ knex, events, dataDirectory, log });
  const trees = new TreeThreads();
  const containers = await createContainers({
    knex,
    images,
    overlays,
    volumes,
    networks: networking.containerNetworks,
    events,
    dataDirectory,
    runDirectory: runFolder,
    hostNamespace: mounts.outside,
    runtime,
    apparmor,
    trees,
    log,
  });
  const stopping = new AbortController();
  const host: HostFacts = {
    ...facts,
    version,
    id,
    dataDirectory,
    storageDriver: layerStore.kind,
    runtime,
    ...(apparmor !== undefined && { apparmor }),
    insecureRegistries: config.insecureRegistries,
    ...(config.proxies !== undefined && { proxies: config.proxies }),
  };
  const { build, buildkit } = await openBuild({
    images,
    pendingImages,
    leases,
    transfer,
    attestations,
    compressor,
    layerBlobs,
    indexes,
    stepCache,
    layerStore,
    overlays,
    tars: trees,
    networks: networking.containerNetworks,
    ociHost: containers.ociHost,
    runDirectory: runFolder,
    host,
    exchange,
    maxContextSize: config.buildContextLimit,
    maxCacheSize: config.buildCacheLimit,
    allowed: config.allowedEntitlements,
    signal: stopping.signal,
    sweep: () => images.sweep(),
    log,
  });
  const engine: EngineDeps = {
    images,
    push,
    registryQueries: new RemoteRegistry(registry),
    containers,
    files: {
      archive: containers.archive,
      trees: containers.trees,
      pendingImages,
      archives: new AgentImageArchives({ images, pendingImages, layerStore, events }),
    },
    execs: containers.execs,
    control: containers.control,
    stats: containers.stats,
    volumes,
    networks: networking.networks,
    events,
    build,
    buildkit,
    host,
    keepsImage: (image) => fleet.isKept(image),
    layerSize: (diffId) => layerStore.contentSize(diffId),
    checkLogin: (...request) => registry.checkLogin(...request),
    log,
    work: watched.work,
    metrics: watched.metrics,
    stopping: stopping.signal,
  };
  const server = createEngineServer(engine);
  exposeAgent(watched.metrics, { ...engine, dataDirectory });
  const scraped = config.metrics && (await listenForMetrics(watched.metrics, config.metrics));
  const tcp = config.tcp && (await (await import('./listen-tcp.ts')).listenTcp(config.tcp, engine, log));
  await listenSocket(server.http, config.socket, config.socketGroup);
  await fleet.start(engine);
  watched.start();
  log.info({ socket: config.socket, data: dataDirectory, runtime: runtime.name }, 'ready');
  const addresses = [`unix://${config.socket}`, ...(tcp === undefined ? [] : [`tcp://${tcp.address}`])];
  if (scraped !== undefined) log.info({ port: scraped.port }, 'metrics');
  notifySystemd('READY=1', notifySocket);
  process.stdout.write(`berth-agent is ready: ${addresses.join(' ')} (data in ${dataDirectory})\n`);

  const letGrow = keepMemorySmall({
    trim: trimMemory,
    collect: collectGarbage,
    release: releaseProgramPages,
  });
  await aborted(interrupted);
  letGrow();
  await shutDown({
    stopping,
    buildkit,
    fleet,
    servers: [server, tcp, scraped].filter((listener) => listener !== undefined),
    containers,
    trees,
    networking,
    registry,
    mounts,
    log,
  });
  await tracer?.close();
}

/** Returns the function that opens the ingress, which only a host of a fleet needs. */
function ingressOf(
  config: NonNullable<AgentConfig['ingress']>,
  {
    dataDirectory,
    mounts,
    exchange,
    log,
  }: {
    readonly dataDirectory: string;
    readonly mounts: MountNamespace;
    readonly exchange: HttpExchange;
    readonly log: Logger;
  },
) {
  return async (signal: AbortSignal) => {
    const { openIngress } = await import('../fleet/open-ingress.ts');
    const processors = availableParallelism();
    return openIngress({
      ...{ config, runDirectory: runDirectory(dataDirectory), dataDirectory, exchange },
      ...{ hostNamespace: mounts.outside, processors, log, signal },
    });
  };
}

async function listenForMetrics(metrics: MetricSet, address: ListenAddress): Promise<PlainListener> {
  const { startMetricsServer } = await import('../../lib/metrics/metrics-server.ts');
  try {
    return await startMetricsServer(metrics, address);
  } catch (cause) {
    const { host, port } = address;
    throw new ConfigError(`--metrics ${host}:${port} cannot be used: ${(cause as Error).message}.`, {
      cause,
    });
  }
}

/** Sets variables of the programs that are started from now on. */
function passOn(variables: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(variables)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
}
