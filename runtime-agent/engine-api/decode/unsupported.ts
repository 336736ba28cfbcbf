import { EngineError } from '../../errors.ts';
import type { JsonObject } from '../http/json-body.ts';

/** A field that the agent cannot act on: how its users call it, and values that mean the default. */
interface Unsupported {
  readonly title: string;
  readonly defaults?: readonly unknown[];
}

const HOST_CONFIG: Readonly<Record<string, Unsupported>> = {
  DeviceRequests: { title: 'a device request (--gpus)' },
  Isolation: { title: 'another isolation (--isolation)', defaults: ['default'] },
  KernelMemory: { title: 'a limit of kernel memory (--kernel-memory)' },
  KernelMemoryTCP: { title: 'a limit of TCP buffer memory' },
  StorageOpt: { title: 'a storage option (--storage-opt)' },
};

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
    if (isEmpty(value)) continue;
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
