import { EngineError } from '../errors.ts';

/** Capabilities by number (linux/capability.h). */
const NAMES = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'MKNOD',
  'LEASE',
  'AUDIT_WRITE',
  'AUDIT_CONTROL',
  'SETFCAP',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'AUDIT_READ',
  'PERFMON',
  'BPF',
  'CHECKPOINT_RESTORE',
].map((name) => `CAP_${name}`);

/** The 14 default capabilities of containers. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
];

/** Returns the names of the bits that are set. */
export function capabilityNames(bits: bigint): readonly string[] {
  return NAMES.filter((_, bit) => ((bits >> BigInt(bit)) & 1n) === 1n);
}

/** Capabilities that a client adds and drops. */
export interface CapabilityOptions {
  readonly add: readonly string[];
  readonly drop: readonly string[];
  readonly privileged: boolean;
}

/**
 * Returns the capabilities of a container. `available` are those that the agent can pass on; `ALL` and privileged mean
 * these, as in dockerd. Throws EngineError 'bad-request' for unknown or unavailable names.
 */
export function containerCapabilities(
  options: CapabilityOptions,
  available: readonly string[],
): readonly string[] {
  if (options.privileged) return available;
  const add = options.add.map((text) => parseCapability(text, 'CapAdd'));
  const drop = options.drop.map((text) => parseCapability(text, 'CapDrop'));
  for (const name of add) {
    if (name !== 'ALL' && !available.includes(name)) {
      throw new EngineError(
        'bad-request',
        `capability ${name} cannot be added: the agent does not hold it itself on this host`,
      );
    }
  }
  const defaults = drop.includes('ALL') ? [] : DEFAULT_CAPABILITIES;
  const base = add.includes('ALL') ? available : defaults;
  const kept = base.filter((name) => !drop.includes(name) && available.includes(name));
  const added = add.filter((name) => name !== 'ALL' && !kept.includes(name));
  return [...kept, ...new Set(added)];
}

function parseCapability(text: string, field: 'CapAdd' | 'CapDrop'): string {
  const upper = text.toUpperCase();
  if (upper === 'ALL') return upper;
  const name = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  if (!NAMES.includes(name)) {
    throw new EngineError('bad-request', `invalid ${field}: unknown capability: "${name.slice(0, 40)}"`);
  }
  return name;
}
