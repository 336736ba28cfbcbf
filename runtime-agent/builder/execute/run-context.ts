import type { Logger } from 'pino';
import type { CgroupLayout } from '../../../lib/linux/cgroups/cgroups.ts';
import type { HostFiles } from '../../../lib/linux/host-devices.ts';
import type { Libc } from '../../../lib/linux/libc.ts';
import type { ContainerConfig, HostConfig } from '../../containers/container-info.ts';
import type { ContainerNetworks } from '../../networks/container-networks.ts';
import type { SeccompSource } from '../../oci-runner/bundle.ts';
import type { SharedPaths } from '../../oci-runner/run-paths.ts';
import type { RuntimeCommands } from '../../oci-runner/runtime-commands.ts';
import type { Runtime } from '../../oci-runner/runtimes.ts';
import type { TreeTars } from '../../snapshots/diff/tree-tar.ts';
import type { Snapshotter } from '../../snapshots/snapshotter.ts';
import type { StubLayer } from './stub-layer.ts';

/** What the processes of steps run with, as those of containers do. */
export interface RunContext {
  readonly snapshotter: Snapshotter;
  readonly tars: TreeTars;
  readonly networks: ContainerNetworks;
  readonly runtime: Runtime;
  readonly commands: RuntimeCommands;
  /** Steps have their folders where containers have theirs, so that what a killed agent leaves is cleared with theirs. The runtime's state is in memory. */
  readonly paths: SharedPaths;
  /** A folder in memory for configurations of steps, which hold secrets. */
  readonly bundles: string;
  readonly libc: Libc;
  readonly hostFiles: HostFiles;
  readonly cgroups: CgroupLayout;
  readonly seccomp: SeccompSource;
  /** The AppArmor profile of steps; undefined where the host has no AppArmor. */
  readonly apparmor: string | undefined;
  /** Capabilities that the agent can hand on. */
  readonly capabilities: readonly string[];
  /** What `docker create` without options makes of a container. */
  readonly defaults: { readonly config: ContainerConfig; readonly hostConfig: HostConfig };
  readonly stub: StubLayer;
  readonly log: Logger;
}
