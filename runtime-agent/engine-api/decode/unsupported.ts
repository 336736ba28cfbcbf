import type { JsonFields } from '../../../lib/json/json-fields.ts';
import { EngineError } from '../../errors.ts';

/** A field of the Engine API that the agent cannot act on: how its users call it, and values that mean the default. */
interface Unsupported {
  readonly title: string;
  readonly defaults?: readonly unknown[];
}

const WINDOWS = 'an option of Windows';

const HOST_CONFIG: Readonly<Record<string, Unsupported>> = {
  Cgroup: { title: "another container's cgroup" },
  CpuCount: { title: WINDOWS },
  CpuPercent: { title: WINDOWS },
  DeviceRequests: { title: 'a device request (--gpus)' },
  IOMaximumBandwidth: { title: WINDOWS },
  IOMaximumIOps: { title: WINDOWS },
  Isolation: { title: 'another isolation (--isolation)', defaults: ['default'] },
  KernelMemory: { title: 'a limit of kernel memory (--kernel-memory)' },
  KernelMemoryTCP: { title: 'a limit of TCP buffer memory' },
  StorageOpt: { title: 'a storage option (--storage-opt)' },
};

/**
 * Refuses options of a HostConfig that the agent does not support: a value that is neither empty nor the default is never
 * dropped in silence. Fields that the Engine API does not have are left aside, as Go does. Throws EngineError
 * 'not-implemented' that names the option and field.
 */
export function refuseUnsupported(hostConfig: JsonFields): void {
  for (const [name, { title, defaults }] of Object.entries(HOST_CONFIG)) {
    const value = hostConfig.value(name);
    if (isEmpty(value) || defaults?.includes(value)) continue;
    throw new EngineError(
      'not-implemented',
      `${title} is not supported by berth-agent: leave ${hostConfig.nameOf(name)} unset`,
    );
  }
}

/** What Go's JSON leaves of a field that nobody set. */
export function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === 0 || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
