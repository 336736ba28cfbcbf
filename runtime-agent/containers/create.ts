import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { availableParallelism, hostname as osHostname } from 'node:os';
import { timestamp } from '../../lib/time/timestamp.ts';
import { checkEntries } from '../bounds.ts';
import { EngineError, isEngineError } from '../errors.ts';
import type { Image } from '../images/image.ts';
import type { Images } from '../images/images.ts';
import type { ContainerNetworks } from '../networks/container-networks.ts';
import { DEFAULT_ENDPOINT } from '../networks/network.ts';
import { networkMode } from '../networks/plan/place-container.ts';
import { checkApparmor } from '../oci-runner/apparmor.ts';
import { containerCapabilities } from '../oci-runner/capabilities.ts';
import type { OciHost } from '../oci-runner/oci-host.ts';
import { runPaths } from '../oci-runner/run-paths.ts';
import type { RootfsOverlays } from '../snapshots/rootfs-overlays.ts';
import { Container, type ContainerServices, containerBase } from './container.ts';
import type { ContainerIndex } from './container-index.ts';
import { type ContainerInfo, type MountPoint, NEW_STATE } from './container-info.ts';
import type { CreateRequest, CreateResult } from './containers.ts';
import type { HostConfig } from './host-config.ts';
import { cleanPath } from './plan/bind-text.ts';
import { inheritedMounts } from './plan/mount-points.ts';
import { inventName, parseContainerName } from './plan/names.ts';
import { sharedContainerRef } from './plan/oci-spec.ts';
import { checkPlatform } from './plan/platform.ts';
import { commandLine, mergeImageConfig } from './plan/process.ts';
import { capabilityOptions, parseSecurityOptions } from './plan/security.ts';
import { validateRequest } from './plan/validate.ts';
import { blockWeightWarnings, checkCpusets, limitWarnings } from './plan/validate-resources.ts';
import type { ContainerMounts } from './run/container-mounts.ts';
import { settleLinks } from './run/links.ts';

const SHM_SIZE = 64 << 20;

/** Dependencies of creating containers. */
export interface CreateDeps {
  readonly host: OciHost;
  readonly images: Images;
  readonly overlays: RootfsOverlays;
  readonly mounts: ContainerMounts;
  readonly networks: ContainerNetworks;
  readonly index: ContainerIndex;
  readonly services: ContainerServices;
}

/** Creates a container. See Containers.create. */
export async function createContainer(deps: CreateDeps, request: CreateRequest): Promise<CreateResult> {
  const { host, index, services } = deps;
  const { config, hostConfig } = request;
  const givenName = request.name === undefined ? undefined : parseContainerName(request.name);
  validateRequest(config, hostConfig, availableParallelism());
  await checkCpusets(hostConfig);
  containerCapabilities(capabilityOptions(hostConfig), host.capabilities);
  if (config.Image === '') throw new EngineError('bad-request', 'no image was given');
  const image = await deps.images.get(config.Image);
  const warnings = [
    ...checkPlatform(config.Image, image.platform, request.platform),
    ...portWarnings(hostConfig),
    ...limitWarnings(hostConfig, host.cgroups),
    ...blockWeightWarnings(hostConfig, host.cgroups),
  ];
  checkApparmor(parseSecurityOptions(hostConfig.SecurityOpt).apparmor, host.apparmor);
  const id = randomBytes(32).toString('hex');
  const { home, log } = runPaths(services.paths, id);
  const made = newContainer(index, id, request, image, log);
  const info = { ...made, networks: deps.networks.admit(made) };
  const name = givenName ?? inventName((candidate) => index.isTaken(candidate));
  index.reserve(name, id);
  let mounts: readonly MountPoint[] = [];
  let container: Container;
  try {
    const inherited = inheritedMounts(info.hostConfig.VolumesFrom, (ref) => index.findNamed(ref).info.mounts);
    mounts = await deps.mounts.acquire(id, info.config, info.hostConfig, inherited);
    mounts = await fillVolumes(deps, { ...info, mounts });
    const stored = { container: { ...info, name, mounts }, run: undefined };
    container = new Container(stored, services);
    await mkdir(home, { mode: 0o700 });
    await container.insertRow();
  } catch (error) {
    index.remove(id, name);
    await deps.mounts.release(id, mounts, true);
    await deps.overlays.remove(id);
    await rm(home, { recursive: true, force: true });
    throw error;
  }
  index.add(container);
  container.publish('create');
  return { id, warnings };
}

function newContainer(
  index: ContainerIndex,
  id: string,
  request: CreateRequest,
  image: Image,
  logPath: string,
): ContainerInfo {
  const { WorkingDir } = request.config;
  const asked = { ...request.config, WorkingDir: WorkingDir === '' ? '' : cleanPath(WorkingDir) };
  const merged = mergeImageConfig(asked, image.config);
  checkEntries(merged, 'Config');
  const { path, args } = commandLine(merged);
  const mode = networkMode(request.hostConfig.NetworkMode);
  const shared = mode.kind === 'container' ? sharedContainer(index, mode.container) : undefined;
  const hostname = shared?.config.Hostname ?? (mode.kind === 'host' ? osHostname() : id.slice(0, 12));
  const { Links: _, ...hostConfig } = withLabelOption(withSharedIds(index, request.hostConfig));
  const links = settleLinks(index, request.hostConfig);
  return {
    id,
    name: '',
    createdAt: timestamp(),
    config: { ...merged, Hostname: merged.Hostname === '' ? hostname : merged.Hostname },
    hostConfig: {
      ...hostConfig,
      ...(links.length === 0 ? {} : { Links: links }),
      ShmSize: hostConfig.ShmSize === 0 ? SHM_SIZE : hostConfig.ShmSize,
      LogConfig: { ...hostConfig.LogConfig, Type: hostConfig.LogConfig.Type || 'json-file' },
      RestartPolicy: { ...hostConfig.RestartPolicy, Name: hostConfig.RestartPolicy.Name || 'no' },
    },
    imageId: image.id,
    base: { diffIds: image.diffIds, platform: image.platform },
    path,
    args,
    logPath,
    mounts: [],
    networks: mode.kind === 'networks' ? { [mode.first]: DEFAULT_ENDPOINT, ...request.networks } : {},
    activeNetwork: undefined,
    state: NEW_STATE,
  };
}

/** Replaces names of other containers by IDs, because names may change. */
function withSharedIds(index: ContainerIndex, hostConfig: HostConfig): HostConfig {
  const settle = (mode: string, find: (ref: string) => ContainerInfo | undefined) => {
    const ref = sharedContainerRef(mode);
    const shared = ref === undefined ? undefined : find(ref);
    return shared === undefined ? mode : `container:${shared.id}`;
  };
  const known = (ref: string) => index.findNamed(ref).info;
  return {
    ...hostConfig,
    NetworkMode: settle(hostConfig.NetworkMode, (ref) => sharedContainer(index, ref)),
    PidMode: settle(hostConfig.PidMode, known),
    IpcMode: settle(hostConfig.IpcMode, known),
  };
}

/** Fills empty volumes from the image. Returns the mount points without pending fills. */
async function fillVolumes(
  { images, overlays, mounts }: CreateDeps,
  info: ContainerInfo,
): Promise<readonly MountPoint[]> {
  if (await mounts.hasEmpty(info.mounts)) {
    const { diffIds } = await containerBase(images, info);
    const rootfs = await overlays.mount(info.id, diffIds);
    try {
      await mounts.fill(info, rootfs.path);
    } finally {
      await overlays.unmount(info.id);
    }
  }
  return info.mounts.map((point) => ({ ...point, copyUp: false }));
}

/** Adds `label=disable` as dockerd does: clients compare SecurityOpt. */
function withLabelOption(hostConfig: HostConfig): HostConfig {
  const { Privileged, PidMode, IpcMode, SecurityOpt } = hostConfig;
  const isOpen = Privileged || PidMode === 'host' || IpcMode === 'host';
  if (!isOpen || SecurityOpt.some((option) => /^label[=:]/.test(option))) return hostConfig;
  return { ...hostConfig, SecurityOpt: [...SecurityOpt, 'label=disable'] };
}

/** Finds the container whose network is shared. As with dockerd, only the start fails if it does not exist. */
function sharedContainer(index: ContainerIndex, ref: string): ContainerInfo | undefined {
  try {
    return index.find(ref).info;
  } catch (error) {
    if (isEngineError(error) && error.code === 'not-found') return undefined;
    throw error;
  }
}

function portWarnings({ NetworkMode, PortBindings }: HostConfig): readonly string[] {
  if (networkMode(NetworkMode).kind !== 'host' || Object.keys(PortBindings).length === 0) return [];
  return ['Published ports are discarded when using host network mode'];
}
