import { type CgroupLayout, detectCgroups } from '../../lib/linux/cgroups/cgroups.ts';
import type { HostFiles } from '../../lib/linux/host-devices.ts';
import { type Libc, loadLibc } from '../../lib/linux/libc.ts';
import { readBootId, readBoundingCapabilities } from '../../lib/linux/process/proc.ts';
import type { SeccompSource } from './bundle.ts';
import { capabilityNames } from './capabilities.ts';
import type { Runtime } from './runtimes.ts';
import { readSeccompSource } from './seccomp.ts';

/** The host's features for processes of containers and build steps. */
export interface OciHost {
  readonly runtime: Runtime;
  readonly libc: Libc;
  readonly files: HostFiles;
  readonly cgroups: CgroupLayout;
  readonly seccomp: SeccompSource;
  /** The AppArmor profile of processes that name none; undefined if the host has no AppArmor. */
  readonly apparmor: string | undefined;
  /** Capabilities that the agent can pass on. */
  readonly capabilities: readonly string[];
  readonly bootId: string;
}

export async function readOciHost(given: Pick<OciHost, 'runtime' | 'apparmor' | 'files'>): Promise<OciHost> {
  return {
    ...given,
    libc: loadLibc(),
    cgroups: detectCgroups(),
    seccomp: await readSeccompSource(),
    capabilities: capabilityNames(readBoundingCapabilities()),
    bootId: readBootId(),
  };
}
