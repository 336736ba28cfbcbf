import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import { join, relative } from 'node:path';
import { arch } from 'node:process';
import { readFileInRoot } from '../../../lib/linux/files/in-root.ts';
import { type HostDevice, type HostFiles, hostDevices, readDevice } from '../../../lib/linux/host-devices.ts';
import type { Libc } from '../../../lib/linux/libc.ts';
import { mount, unmount } from '../../../lib/linux/mount/mount.ts';
import { type OpenNamespace, openProcessNamespace } from '../../../lib/linux/process/process-namespace.ts';
import { EngineError } from '../../errors.ts';
import { apparmorProfile } from '../../oci-runner/apparmor.ts';
import {
  type OciBlockIo,
  type OciDevice,
  type OciDeviceRule,
  type OciMount,
  type OciSpec,
  type SeccompProfile,
  writeOciJson,
} from '../../oci-runner/bundle.ts';
import { containerCapabilities } from '../../oci-runner/capabilities.ts';
import type { OciHost } from '../../oci-runner/oci-host.ts';
import type { RunPaths } from '../../oci-runner/run-paths.ts';
import { STATIC_INIT } from '../../oci-runner/runtimes.ts';
import { customSeccompProfile, type SeccompTarget, seccompProfile } from '../../oci-runner/seccomp.ts';
import type { Container } from '../container.ts';
import type { ContainerIndex } from '../container-index.ts';
import type { ContainerInfo } from '../container-info.ts';
import type { HostConfig } from '../host-config.ts';
import type { BlockIo, DeviceMapping } from '../host-config-fields.ts';
import { type ShmSource, shmOptions } from '../plan/mounts.ts';
import { type JoinedNamespaces, ociSpec, sharedContainerRef } from '../plan/oci-spec.ts';
import type { HostResources } from '../plan/resources.ts';
import { capabilityOptions, parseSecurityOptions, type SecurityOptions } from '../plan/security.ts';
import { type Accounts, MAX_ACCOUNTS_SIZE, resolveUser } from '../plan/user.ts';
import type { RunLinks } from './links.ts';
import type { RunNetwork } from './run-network.ts';

/** The opened parts of a run that its bundle refers to. */
export interface BundleParts {
  /** Path of the mounted root file system. */
  readonly rootfs: string;
  readonly mounts: readonly OciMount[];
  readonly network: Pick<RunNetwork, 'namespace' | 'files'>;
  readonly devices: GatheredDevices;
  /** If absent, it shares only what HostConfig shares with the host. */
  readonly joined?: Pick<Joined, 'namespaces' | 'shm'>;
  readonly links?: Pick<RunLinks, 'environment'>;
}

/** Makes the folders of a run. */
export async function prepareFolders(paths: RunPaths): Promise<void> {
  await mkdir(paths.bundle, { recursive: true, mode: 0o700 });
  await mkdir(paths.persist, { recursive: true, mode: 0o700 });
  await rm(paths.homeLink, { force: true });
  await symlink(paths.home, paths.homeLink);
}

/**
 * Writes the config.json of a container or build step, whose root file system is mounted, to `file`. Throws EngineError
 * 'bad-request' for an unknown user.
 */
export async function writeBundle(
  host: OciHost,
  container: ContainerInfo,
  file: string,
  { rootfs, mounts, network, devices, joined, links }: BundleParts,
): Promise<OciSpec> {
  const { config, hostConfig } = container;
  const capabilities = containerCapabilities(capabilityOptions(hostConfig), host.capabilities);
  const security = parseSecurityOptions(hostConfig.SecurityOpt);
  const target = { machine: arch, kernel: release(), capabilities };
  const spec = ociSpec(container, {
    rootfs,
    mounts,
    files: {
      ...network.files,
      ...(hostConfig.Init ? { init: STATIC_INIT } : {}),
    },
    network: network.namespace,
    user: resolveUser(config.User, hostConfig.GroupAdd, readAccounts(host.libc, rootfs)),
    capabilities,
    noNewPrivileges: security.noNewPrivileges,
    apparmor: apparmorProfile(security.apparmor, hostConfig.Privileged, host.apparmor),
    seccomp: profileOf(host, security.seccomp, hostConfig.Privileged, target),
    cgroups: host.cgroups,
    devices: devices.devices,
    host: devices.resources,
    joined: joined?.namespaces ?? {},
    shm: joined?.shm ?? { kind: 'own' },
    ...(links === undefined ? {} : { links: links.environment }),
  });
  await writeFile(file, writeOciJson(spec), { mode: 0o600 });
  return spec;
}

/** Reads /etc/passwd and /etc/group of a root file system; '' for a file that it lacks. */
export function readAccounts(libc: Libc, rootfs: string): Accounts {
  const read = (path: string) =>
    readFileInRoot(libc, rootfs, path, MAX_ACCOUNTS_SIZE)?.toString('utf8') ?? '';
  return { passwd: read('/etc/passwd'), group: read('/etc/group') };
}

/** Chooses the seccomp profile. As with dockerd, a privileged container has none unless it names one. */
function profileOf(
  host: OciHost,
  asked: SecurityOptions['seccomp'],
  privileged: boolean,
  target: SeccompTarget,
): SeccompProfile | undefined {
  if (asked === 'unconfined') return undefined;
  if (asked !== 'default') return customSeccompProfile(asked, target);
  return privileged ? undefined : seccompProfile(host.seccomp, target);
}

/** Namespaces and /dev/shm that a run shares with other containers or the host, apart from the network. */
export interface Joined {
  readonly namespaces: JoinedNamespaces;
  readonly shm: ShmSource;
  /** Closes the namespaces. To be called after the runtime has joined them or failed. */
  release(): void;
}

/**
 * Opens the namespaces that a container shares with others, and its /dev/shm. Throws EngineError 'not-found', 'runtime' or
 * 'conflict' if the other container does not run, and 'bad-request' if it is not shareable.
 */
export async function joinNamespaces(index: ContainerIndex, { info, paths }: Container): Promise<Joined> {
  const { PidMode, IpcMode } = info.hostConfig;
  const pid = sharedContainerRef(PidMode);
  const ipc = sharedContainerRef(IpcMode);
  const donor = ipc === undefined ? undefined : index.find(ipc);
  const opened: { pid?: OpenNamespace; ipc?: OpenNamespace } = {};
  const release = () => {
    for (const namespace of Object.values(opened)) namespace.close();
  };
  try {
    if (pid !== undefined) opened.pid = namespaceOf(index.find(pid), 'pid');
    if (donor !== undefined) opened.ipc = namespaceOf(donor, 'ipc');
    const shm = donor === undefined ? await ownShm(info, paths) : sharedShm(donor);
    const namespaces = Object.fromEntries(Object.entries(opened).map(([kind, { path }]) => [kind, path]));
    return { namespaces, shm, release };
  } catch (error) {
    release();
    throw error;
  }
}

/** Unmounts the /dev/shm of a shareable container. */
export async function releaseShm(paths: RunPaths): Promise<void> {
  await unmount(paths.shm, { detach: true });
}

function namespaceOf({ id, run }: Container, kind: 'pid' | 'ipc'): OpenNamespace {
  const namespace = run && openProcessNamespace(run, kind);
  if (namespace === undefined) {
    // dockerd returns 500 for the PID namespace and 409 for the IPC namespace.
    const code = kind === 'pid' ? 'runtime' : 'conflict';
    throw new EngineError(
      code,
      `failed to join ${kind.toUpperCase()} namespace: container ${id} is not running`,
    );
  }
  return namespace;
}

function sharedShm(donor: Container): ShmSource {
  const mode = donor.info.hostConfig.IpcMode;
  if (mode === 'shareable') return { kind: 'bind', path: donor.paths.shm };
  if (mode === 'host') return { kind: 'bind', path: '/dev/shm' };
  throw new EngineError(
    'bad-request',
    `failed to join IPC namespace: container ${donor.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
  );
}

async function ownShm({ hostConfig }: ContainerInfo, paths: RunPaths): Promise<ShmSource> {
  const mode = hostConfig.IpcMode;
  if (mode === 'host') return { kind: 'bind', path: '/dev/shm' };
  if (mode === 'none') return { kind: 'none' };
  if (mode !== 'shareable') return { kind: 'own' };
  // Outside the container's own mounts, so that it can be shared.
  await mkdir(paths.shm, { recursive: true, mode: 0o700 });
  await unmount(paths.shm, { detach: true });
  await mount({
    source: 'shm',
    target: paths.shm,
    type: 'tmpfs',
    flags: ['nosuid', 'nodev', 'noexec'],
    data: shmOptions(hostConfig).join(','),
  });
  return { kind: 'bind', path: paths.shm };
}

/** A container's devices of the host, and its limits for them. */
export interface GatheredDevices {
  readonly devices: readonly OciDevice[];
  readonly resources: HostResources;
}

const TYPES: Readonly<Record<string, 'a' | 'b' | 'c'>> = { a: 'a', b: 'b', c: 'c' };

/**
 * Finds the devices that HostConfig names by host paths, including those in a folder; a privileged container has all
 * devices. Throws EngineError 'bad-request' for a path that is not a device.
 */
export async function gatherDevices(files: HostFiles, hostConfig: HostConfig): Promise<GatheredDevices> {
  const asked = await Promise.all(hostConfig.Devices.map((mapping) => findMapped(files, mapping)));
  const mapped = asked.flat();
  const all = hostConfig.Privileged ? await hostDevices(files, '/dev') : [];
  const inside = new Map(
    [...all, ...mapped.map(({ device }) => device)].map((device) => [device.path, device]),
  );
  const blockIo = await limitsOf(files, hostConfig.BlockIo);
  return {
    devices: [...inside.values()],
    resources: {
      rules: [...mapped.map(({ rule }) => rule), ...hostConfig.DeviceCgroupRules.map(parseRule)],
      ...(Object.keys(blockIo).length === 0 ? {} : { blockIo }),
    },
  };
}

async function findMapped(
  files: HostFiles,
  mapping: DeviceMapping,
): Promise<readonly { readonly device: OciDevice; readonly rule: OciDeviceRule }[]> {
  const { PathOnHost: path, PathInContainer: inside, CgroupPermissions: access } = mapping;
  const single = await readDevice(files, path);
  const isOne = typeof single === 'object';
  const found = isOne ? [single] : single === 'folder' ? await hostDevices(files, path) : [];
  if (found.length === 0) {
    const why = single === 'nothing' ? 'no such file or directory' : 'not a device node';
    throw new EngineError(
      'bad-request',
      `error gathering device information while adding custom device "${path}": ${why}`,
    );
  }
  return found.map((device) => ({
    device: { ...device, path: isOne ? inside : join(inside, relative(path, device.path)) },
    rule: { allow: true, type: device.type, major: device.major, minor: device.minor, access },
  }));
}

/** Parses an entry of DeviceCgroupRules that validateResources has accepted. */
function parseRule(text: string): OciDeviceRule {
  const [type = '', numbers = '', access = ''] = text.split(' ');
  const [major, minor] = numbers.split(':').map((part) => (part === '*' ? undefined : Number(part)));
  return {
    allow: true,
    ...(TYPES[type] === undefined ? {} : { type: TYPES[type] }),
    ...(major === undefined ? {} : { major }),
    ...(minor === undefined ? {} : { minor }),
    access,
  };
}

async function limitsOf(files: HostFiles, limits: BlockIo): Promise<OciBlockIo> {
  const throttles = async (list: readonly { readonly Path: string; readonly Rate: number }[]) =>
    Promise.all(list.map(async ({ Path, Rate }) => ({ ...(await numbersOf(files, Path)), rate: Rate })));
  const weights = limits.BlkioWeightDevice.map(async ({ Path, Weight }) => ({
    ...(await numbersOf(files, Path)),
    weight: Weight,
  }));
  const found = {
    weightDevice: await Promise.all(weights),
    throttleReadBpsDevice: await throttles(limits.BlkioDeviceReadBps),
    throttleWriteBpsDevice: await throttles(limits.BlkioDeviceWriteBps),
    throttleReadIOPSDevice: await throttles(limits.BlkioDeviceReadIOps),
    throttleWriteIOPSDevice: await throttles(limits.BlkioDeviceWriteIOps),
  };
  return {
    ...(limits.BlkioWeight === 0 ? {} : { weight: limits.BlkioWeight }),
    ...Object.fromEntries(Object.entries(found).filter(([, list]) => list.length > 0)),
  };
}

async function numbersOf(files: HostFiles, path: string): Promise<Pick<HostDevice, 'major' | 'minor'>> {
  const device = await readDevice(files, path);
  if (typeof device === 'string') {
    throw new EngineError(
      'bad-request',
      `a limit of block I/O names ${path.slice(0, 160)}, which is not a device`,
    );
  }
  return { major: device.major, minor: device.minor };
}
