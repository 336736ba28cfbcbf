import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { availableParallelism, hostname as osHostname } from 'node:os';
import { timestamp } from '../../lib/time/timestamp.ts';
import { checkEntries } from '../bounds.ts';
import { EngineError, isEngineError } from '../errors.ts';
import type { Image } from '../images/image.ts';
import { DEFAULT_ENDPOINT } from '../networks/network.ts';
import { networkMode } from '../networks/plan/network-mode.ts';
import { checkApparmor } from '../oci-runner/apparmor.ts';
import { containerCapabilities } from '../oci-runner/capabilities.ts';
import { runPaths } from '../oci-runner/run-paths.ts';
import { blockWeightWarnings, checkCpusets } from './check-limits.ts';
import { publishContainerEvent } from './container-events.ts';
import { type ContainerInfo, type HostConfig, type MountPoint, NEW_STATE } from './container-info.ts';
import type { CreateRequest, CreateResult } from './containers.ts';
import type { ContainerContext } from './context.ts';
import { LiveContainer } from './live-container.ts';
import { cleanPath } from './plan/bind-text.ts';
import { commandLine, mergeImageConfig } from './plan/command.ts';
import { inventName, parseContainerName } from './plan/names.ts';
import { sharedContainerRef } from './plan/oci-spec.ts';
import { checkPlatform } from './plan/platform.ts';
import { capabilityOptions, parseSecurityOptions } from './plan/security.ts';
import { validateRequest } from './plan/validate.ts';
import { limitWarnings } from './plan/validate-resources.ts';
import { acquireMounts, findDonor, releaseMounts } from './run/acquire-mounts.ts';
import { settleLinks } from './run/links.ts';

const SHM_SIZE = 64 << 20;

/** Creates a container. See Containers.create. */
export async function createContainer(
  context: ContainerContext,
  request: CreateRequest,
): Promise<CreateResult> {
  const { index } = context;
  const givenName = request.name === undefined ? undefined : parseContainerName(request.name);
  validateRequest(request.config, request.hostConfig, availableParallelism());
  await checkCpusets(request.hostConfig);
  containerCapabilities(capabilityOptions(request.hostConfig), context.host.capabilities);
  if (request.config.Image === '') throw new EngineError('bad-request', 'no image was given');
  const image = await context.images.get(request.config.Image);
  const warnings = [
    ...checkPlatform(request.config.Image, image.platform, request.platform),
    ...portWarnings(request.hostConfig),
    ...limitWarnings(request.hostConfig, context.host.cgroups),
    ...blockWeightWarnings(request.hostConfig, context.host.cgroups),
  ];
  checkApparmor(parseSecurityOptions(request.hostConfig.SecurityOpt).apparmor, context.host.apparmor);
  const id = randomBytes(32).toString('hex');
  const paths = runPaths(context.paths, id);
  const made = newContainer(context, id, request, image, paths.log);
  const container = { ...made, networks: context.networks.admit(made) };
  const name = givenName ?? inventName((candidate) => index.isTaken(candidate));
  index.reserve(name, id);
  let mounts: readonly MountPoint[] = [];
  let live: LiveContainer;
  try {
    mounts = await acquireMounts(context, id, container.config, container.hostConfig);
    live = new LiveContainer(
      { container: { ...container, name, mounts }, run: undefined, stoppedByUser: false },
      paths,
    );
    await mkdir(paths.home, { mode: 0o700 });
    await context.table.insert(live.stored);
  } catch (error) {
    index.remove(id, name);
    await releaseMounts(context, id, mounts, true);
    await rm(paths.home, { recursive: true, force: true });
    throw error;
  }
  index.add(live);
  publishContainerEvent(context.events, live.container, 'create');
  return { id, warnings };
}

function newContainer(
  context: ContainerContext,
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
  const shared = mode.kind === 'container' ? sharedContainer(context, mode.container) : undefined;
  const hostname = shared?.config.Hostname ?? (mode.kind === 'host' ? osHostname() : id.slice(0, 12));
  const { Links: _, ...hostConfig } = withLabelOption(withSharedIds(context, request.hostConfig));
  const links = settleLinks(context, request.hostConfig);
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

/** Replaces names of other containers, which may change, by IDs. */
function withSharedIds(context: ContainerContext, hostConfig: HostConfig): HostConfig {
  const settle = (mode: string, find: (ref: string) => ContainerInfo | undefined) => {
    const ref = sharedContainerRef(mode);
    const shared = ref === undefined ? undefined : find(ref);
    return shared === undefined ? mode : `container:${shared.id}`;
  };
  const known = (ref: string) => findDonor(context, ref).container;
  return {
    ...hostConfig,
    NetworkMode: settle(hostConfig.NetworkMode, (ref) => sharedContainer(context, ref)),
    PidMode: settle(hostConfig.PidMode, known),
    IpcMode: settle(hostConfig.IpcMode, known),
  };
}

/** Adds `label=disable` where dockerd does: clients compare SecurityOpt. */
function withLabelOption(hostConfig: HostConfig): HostConfig {
  const { Privileged, PidMode, IpcMode, SecurityOpt } = hostConfig;
  const isOpen = Privileged || PidMode === 'host' || IpcMode === 'host';
  if (!isOpen || SecurityOpt.some((option) => /^label[=:]/.test(option))) return hostConfig;
  return { ...hostConfig, SecurityOpt: [...SecurityOpt, 'label=disable'] };
}

/** Finds the container whose network is shared. As with dockerd, only the start fails if it does not exist. */
function sharedContainer(context: ContainerContext, ref: string): ContainerInfo | undefined {
  try {
    return context.index.find(ref).container;
  } catch (error) {
    if (isEngineError(error) && error.code === 'not-found') return undefined;
    throw error;
  }
}

function portWarnings({ NetworkMode, PortBindings }: HostConfig): readonly string[] {
  if (networkMode(NetworkMode).kind !== 'host' || Object.keys(PortBindings).length === 0) return [];
  return ['Published ports are discarded when using host network mode'];
}
