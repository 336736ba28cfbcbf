import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import { arch } from 'node:process';
import { readFileInRoot } from '../../../lib/linux/files/in-root.ts';
import type { Libc } from '../../../lib/linux/libc.ts';
import { apparmorProfile } from '../../oci-runner/apparmor.ts';
import { type OciMount, type OciSpec, type SeccompProfile, writeOciJson } from '../../oci-runner/bundle.ts';
import { containerCapabilities } from '../../oci-runner/capabilities.ts';
import type { OciHost } from '../../oci-runner/oci-host.ts';
import type { RunPaths } from '../../oci-runner/run-paths.ts';
import { STATIC_INIT } from '../../oci-runner/runtimes.ts';
import { customSeccompProfile, type SeccompTarget, seccompProfile } from '../../oci-runner/seccomp.ts';
import type { ContainerInfo } from '../container-info.ts';
import { ociSpec } from '../plan/oci-spec.ts';
import { capabilityOptions, parseSecurityOptions, type SecurityOptions } from '../plan/security.ts';
import { type Accounts, MAX_ACCOUNTS_SIZE, resolveUser } from '../plan/user.ts';
import type { GatheredDevices } from './devices.ts';
import type { RunLinks } from './links.ts';
import type { Joined } from './namespaces.ts';
import type { RunNetwork } from './run-network.ts';

/** The opened parts of a run that its bundle names. */
export interface BundleParts {
  /** Path of the mounted root file system. */
  readonly rootfs: string;
  readonly mounts: readonly OciMount[];
  readonly network: Pick<RunNetwork, 'namespace' | 'files'>;
  readonly devices: GatheredDevices;
  /** Absent: it shares only what HostConfig shares with the host. */
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
