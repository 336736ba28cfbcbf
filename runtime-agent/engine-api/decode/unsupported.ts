import { EngineError } from '../../errors.ts';
import type { JsonObject } from '../http/json-body.ts';

/** A field that the agent cannot act on: how its users call it, and values that mean the default. */
interface Unsupported {
  readonly title: string;
  readonly defaults?: readonly unknown[];
}

const HOST_CONFIG: Readonly<Record<string, Unsupported>> = {
  Annotations: { title: 'an annotation (--annotation)' },
  BlkioWeight: { title: 'a block I/O weight (--blkio-weight)' },
  CgroupParent: { title: 'a parent cgroup (--cgroup-parent)' },
  CpuRealtimePeriod: { title: 'real-time scheduling (--cpu-rt-period)' },
  CpuRealtimeRuntime: { title: 'real-time scheduling (--cpu-rt-runtime)' },
  DeviceCgroupRules: { title: 'a device rule (--device-cgroup-rule)' },
  DeviceRequests: { title: 'a device request (--gpus)' },
  Devices: { title: 'a device of the host (--device)' },
  IpcMode: { title: 'another IPC namespace (--ipc)', defaults: ['private'] },
  Isolation: { title: 'another isolation (--isolation)', defaults: ['default'] },
  Links: { title: 'a link (--link)' },
  // Only null is the default of these two: an empty list asks for all of /proc to be shown.
  MaskedPaths: { title: 'unmasked system paths (systempaths=unconfined)', defaults: [null] },
  MemorySwappiness: { title: 'a swappiness (--memory-swappiness)', defaults: [-1, null] },
  PidMode: { title: 'another pid namespace (--pid)', defaults: ['private'] },
  ReadonlyPaths: { title: 'writable system paths (systempaths=unconfined)', defaults: [null] },
  StorageOpt: { title: 'a storage option (--storage-opt)' },
  UTSMode: { title: 'another UTS namespace (--uts)', defaults: ['private'] },
  UsernsMode: { title: 'another user namespace (--userns)' },
};

/** These three tell an empty value from the default. */
const EXACT = new Set(['MaskedPaths', 'MemorySwappiness', 'ReadonlyPaths']);

/** Fields that clients send and that ask for nothing on Linux, whatever their value. */
const MEANINGLESS = new Set(['ArgsEscaped', 'ContainerIDFile', 'NetworkDisabled']);

/**
 * Refuses what a create body asks for beyond the `handled` fields: a value that is neither empty nor the
 * default is never dropped in silence. Throws EngineError 'not-implemented' that names the option and field.
 */
export function refuseUnsupported(
  object: JsonObject,
  where: '' | 'HostConfig.',
  handled: ReadonlySet<string>,
): void {
  for (const [name, value] of Object.entries(object)) {
    if (handled.has(name) || MEANINGLESS.has(name)) continue;
    const entry = where === '' ? undefined : HOST_CONFIG[name];
    if (entry?.defaults?.includes(value)) continue;
    if (!EXACT.has(name) && isEmpty(value)) continue;
    throw new EngineError(
      'not-implemented',
      `${entry?.title ?? 'this option'} is not supported yet by berth-agent: leave ${where}${name} unset`,
    );
  }
}

/** What Go's JSON leaves of a field that nobody set. */
export function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === 0 || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
