import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import { arch } from 'node:process';
import { readFileInRoot } from '../../../lib/linux/files/open-in-root.ts';
import type { Container } from '../container.ts';
import { apparmorProfile } from '../plan/apparmor-profile.ts';
import { containerCapabilities } from '../plan/capabilities.ts';
import { writeOciJson } from '../plan/oci-json.ts';
import { ociSpec } from '../plan/oci-spec.ts';
import type { OciMount, OciSpec } from '../plan/oci-types.ts';
import { customSeccompProfile, type SeccompTarget, seccompProfile } from '../plan/seccomp-profile.ts';
import type { SeccompProfile } from '../plan/seccomp-types.ts';
import { parseSecurityOptions, type SecurityOptions } from '../plan/security.ts';
import { resolveUser } from '../plan/user.ts';
import type { RunPaths } from '../runtime/run-paths.ts';
import { STATIC_INIT } from '../runtime/try-runtime.ts';
import type { RunNetwork } from './container-network.ts';
import type { ContainerContext } from './context.ts';
import { capabilityOptions } from './create-container.ts';
import type { GatheredDevices } from './gather-devices.ts';
import type { Joined } from './join-namespaces.ts';
import type { RunLinks } from './link-containers.ts';

/** Bytes of an image's passwd or group file that are read. */
const ACCOUNTS_LIMIT = 4 << 20;

/** The folders of a run. */
export async function prepareFolders(paths: RunPaths): Promise<void> {
  await mkdir(paths.bundle, { recursive: true, mode: 0o700 });
  await mkdir(paths.persist, { recursive: true, mode: 0o700 });
  await rm(paths.homeLink, { force: true });
  await symlink(paths.home, paths.homeLink);
}

/** Writes config.json for a root file system that is mounted. Throws EngineError 'bad-request' for an unknown user. */
export async function writeBundle(
  context: ContainerContext,
  container: Container,
  paths: RunPaths,
  parts: {
    readonly rootfs: string;
    readonly mounts: readonly OciMount[];
    readonly network: RunNetwork;
    readonly joined: Joined;
    readonly gathered: GatheredDevices;
    readonly links: RunLinks;
  },
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

/** A privileged container has the profile that it names, and none beside it, as with dockerd. */
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
