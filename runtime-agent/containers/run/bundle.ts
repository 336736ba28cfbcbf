import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import { arch } from 'node:process';
import { readFileInRoot } from '../../../lib/linux/files/open-in-root.ts';
import { apparmorProfile } from '../../oci-runner/apparmor.ts';
import { type OciMount, type OciSpec, type SeccompProfile, writeOciJson } from '../../oci-runner/bundle.ts';
import { containerCapabilities } from '../../oci-runner/capabilities.ts';
import type { RunPaths } from '../../oci-runner/run-paths.ts';
import { STATIC_INIT } from '../../oci-runner/runtimes.ts';
import { customSeccompProfile, type SeccompTarget, seccompProfile } from '../../oci-runner/seccomp.ts';
import type { ContainerInfo } from '../container-info.ts';
import type { ContainerContext } from '../context.ts';
import { ociSpec } from '../plan/oci-spec.ts';
import { capabilityOptions, parseSecurityOptions, type SecurityOptions } from '../plan/security.ts';
import { resolveUser } from '../plan/user.ts';
import type { GatheredDevices } from './devices.ts';
import type { RunLinks } from './links.ts';
import type { Joined } from './namespaces.ts';
import type { RunNetwork } from './run-network.ts';

/** Maximum bytes read of an image's passwd or group file. */
const ACCOUNTS_LIMIT = 4 << 20;

/** The opened parts of a run that its bundle names. */
export interface BundleParts {
  /** Path of the mounted root file system. */
  readonly rootfs: string;
  readonly mounts: readonly OciMount[];
  readonly network: RunNetwork;
  readonly joined: Joined;
  readonly gathered: GatheredDevices;
  readonly links: RunLinks;
}

/** Makes the folders of a run. */
export async function prepareFolders(paths: RunPaths): Promise<void> {
  await mkdir(paths.bundle, { recursive: true, mode: 0o700 });
  await mkdir(paths.persist, { recursive: true, mode: 0o700 });
  await rm(paths.homeLink, { force: true });
  await symlink(paths.home, paths.homeLink);
}

/** Writes config.json for a root file system that is mounted. Throws EngineError 'bad-request' for an unknown user. */
export async function writeBundle(
  context: ContainerContext,
  container: ContainerInfo,
  paths: RunPaths,
  parts: BundleParts,
): Promise<OciSpec> {
  const { rootfs, mounts, network, joined, gathered, links } = parts;
  const { hostConfig } = container;
  const read = (path: string) =>
    readFileInRoot(context.libc, rootfs, path, ACCOUNTS_LIMIT)?.toString('utf8') ?? '';
  const user = resolveUser(container.config.User, hostConfig.GroupAdd, {
    passwd: read('/etc/passwd'),
    group: read('/etc/group'),
  });
  const capabilities = containerCapabilities(capabilityOptions(hostConfig), context.capabilities);
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
    user,
    capabilities,
    noNewPrivileges: security.noNewPrivileges,
    apparmor: apparmorProfile(security.apparmor, hostConfig.Privileged, context.apparmor),
    seccomp: profileOf(context, security.seccomp, hostConfig.Privileged, target),
    cgroups: context.cgroups,
    devices: gathered.devices,
    host: gathered.resources,
    joined: joined.namespaces,
    shm: joined.shm,
    links: links.environment,
  });
  await writeFile(paths.spec, writeOciJson(spec), { mode: 0o600 });
  return spec;
}

/** Chooses the seccomp profile. As with dockerd, a privileged container has none unless it names one. */
function profileOf(
  context: ContainerContext,
  asked: SecurityOptions['seccomp'],
  privileged: boolean,
  target: SeccompTarget,
): SeccompProfile | undefined {
  if (asked === 'unconfined') return undefined;
  if (asked !== 'default') return customSeccompProfile(asked, target);
  return privileged ? undefined : seccompProfile(context.seccomp, target);
}
