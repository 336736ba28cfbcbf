import type { JsonFields } from '../../lib/json/json-fields.ts';
import { EngineError } from '../errors.ts';
import {
  blockIo,
  boolean,
  devices,
  type Field,
  fixed,
  type HostDefaults,
  integer,
  mode,
  orNull,
  portBindings,
  readConsoleSize,
  refuseUnlessEmpty,
  type ShownContainer,
  same,
  settledNetworkMode,
  stringMap,
  strings,
  stringsOrNull,
  text,
  ulimits,
  unsupported,
} from './host-config-fields.ts';
import { type MountRequest, readMountRequest, showMountRequest } from './mount-request.ts';

const DEFAULT_SHM_SIZE = 64 << 20;
const WINDOWS = 'an option of Windows';

/** In dockerd's order, which inspect shows and clients compare. */
const MASKED = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];

const READONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/**
 * The fields of HostConfig, each declared once: its type, how a create request is read with the Engine API's defaults, and what
 * inspect shows. In dockerd's order. plan/validate.ts checks the values, as most checks compare several fields.
 */
const FIELDS = {
  /** `SOURCE:DESTINATION[:OPTIONS]`, where the source is a path of the host or a volume. */
  Binds: stringsOrNull,
  ContainerIDFile: fixed(() => ''),
  LogConfig: field<{ readonly Type: string; readonly Config: Readonly<Record<string, string>> }>({
    read: (body, name) => {
      const config = body.fields(name);
      return { Type: config.string('Type') || 'json-file', Config: config.stringMap('Config') };
    },
    show: same,
  }),
  NetworkMode: field<string>({ read: (body, name) => settledNetworkMode(body.string(name)), show: same }),
  PortBindings: portBindings,
  RestartPolicy: field<{ readonly Name: string; readonly MaximumRetryCount: number }>({
    read: (body, name) => {
      const policy = body.fields(name);
      return {
        Name: policy.string('Name') || 'no',
        MaximumRetryCount: policy.integer('MaximumRetryCount'),
      };
    },
    show: same,
  }),
  AutoRemove: boolean,
  VolumeDriver: text,
  /** `CONTAINER[:ro|:rw]`. */
  VolumesFrom: stringsOrNull,
  /** Rows and columns of the terminal at its start; if absent, the client sends them later. */
  ConsoleSize: field<readonly [rows: number, columns: number] | undefined>({
    read: readConsoleSize,
    show: (size) => size ?? [0, 0],
  }),
  CapAdd: stringsOrNull,
  CapDrop: stringsOrNull,
  /** Containers see the host's cgroups on version 1 and have a namespace on version 2, as with dockerd. */
  CgroupnsMode: mode<'host' | 'private'>('CGROUP', ['', 'private', 'host'], false, (asked, host) => {
    if (asked === '') return host.cgroupVersion === '2' ? 'private' : 'host';
    return asked === 'host' ? 'host' : 'private';
  }),
  Dns: strings,
  DnsOptions: strings,
  DnsSearch: strings,
  /** `name:address`, as in `--add-host`. */
  ExtraHosts: stringsOrNull,
  GroupAdd: stringsOrNull,
  /** `private`, `shareable`, `none` (without /dev/shm), `host` or `container:ID`. */
  IpcMode: mode(
    'IPC',
    ['', 'none', 'private', 'shareable', 'host'],
    true,
    (asked, { ipcMode = 'private' }) => (asked === '' ? ipcMode : asked),
  ),
  Cgroup: unsupported("another container's cgroup", ''),
  /** `ID:ALIAS` of containers on the network `bridge`; absent if there are none. */
  Links: field<readonly string[] | undefined>({
    read: (body, name) => (body.strings(name).length === 0 ? undefined : body.strings(name)),
    show: (_, { links }) => orNull(links),
  }),
  OomScoreAdj: integer,
  /** '' for its own namespace, otherwise `host` or `container:ID`. */
  PidMode: mode('PID', ['', 'private', 'host'], true, (asked) => (asked === 'private' ? '' : asked)),
  Privileged: boolean,
  PublishAllPorts: boolean,
  ReadonlyRootfs: boolean,
  SecurityOpt: stringsOrNull,
  Mounts: field<readonly MountRequest[]>({
    read: (body, name) => body.list(name).map(readMountRequest),
    show: (mounts) => (mounts.length === 0 ? undefined : mounts.map(showMountRequest)),
  }),
  Tmpfs: stringMap,
  /** '' for its own namespace, otherwise `host`. */
  UTSMode: mode('UTS', ['', 'private', 'host'], false, (asked) => (asked === 'private' ? '' : asked)),
  /** '' or `host`, which mean the same since users are not remapped. */
  UsernsMode: field<string>({
    read: (body, name) => {
      const asked = body.string(name);
      if (asked !== 'host') refuseUnlessEmpty(body, name, 'another user namespace (--userns)');
      return asked;
    },
    show: same,
  }),
  /** Bytes of /dev/shm. */
  ShmSize: field<number>({ read: (body, name) => body.integer(name) || DEFAULT_SHM_SIZE, show: same }),
  Sysctls: stringMap,
  /** `runc` and `crun` both mean the runtime that this host has. As with dockerd, inspect repeats the client's name for it. */
  Runtime: field<string | undefined>({
    read: (body, name, { runtime }) => {
      const asked = body.string(name);
      if (['', 'runc', 'crun', 'io.containerd.runc.v2', runtime.name].includes(asked)) {
        return asked || undefined;
      }
      throw new EngineError('bad-request', `unknown or invalid runtime name: ${asked.slice(0, 80)}`);
    },
    show: (asked, { runtime }) => asked ?? runtime,
  }),
  /** `default`, which inspect repeats, or absent. */
  Isolation: field<string | undefined>({
    read: (body, name) => {
      if (body.value(name) !== 'default') refuseUnlessEmpty(body, name, 'another isolation (--isolation)');
      return body.string(name) || undefined;
    },
    show: (isolation) => isolation ?? '',
  }),
  CpuShares: integer,
  /** Bytes; 0 means no limit. */
  Memory: integer,
  /** Billionths of a CPU; 0 means no limit. */
  NanoCpus: integer,
  /** Path of the parent cgroup from the root of each hierarchy; '' means the agent's default. */
  CgroupParent: text,
  BlockIo: blockIo,
  /** Microseconds. */
  CpuPeriod: integer,
  CpuQuota: integer,
  /** Microseconds; 0 means none. */
  CpuRealtimePeriod: integer,
  CpuRealtimeRuntime: integer,
  CpusetCpus: text,
  CpusetMems: text,
  Devices: devices,
  /** `TYPE MAJOR:MINOR ACCESS`, as `c 1:3 rw` or `b *:* m`. */
  DeviceCgroupRules: stringsOrNull,
  DeviceRequests: unsupported('a device request (--gpus)', null),
  KernelMemory: unsupported('a limit of kernel memory (--kernel-memory)'),
  KernelMemoryTCP: unsupported('a limit of TCP buffer memory'),
  StorageOpt: unsupported('a storage option (--storage-opt)'),
  MemoryReservation: integer,
  /** Memory plus swap in bytes; 0 means twice Memory, which inspect shows; -1 no limit. */
  MemorySwap: field<number>({
    read: (body, name) => body.integer(name) || Math.max(0, 2 * body.integer('Memory')),
    show: same,
  }),
  /** 0 to 100; null means the host's setting. Clients send -1 or null for it. */
  MemorySwappiness: field<number | null>({
    read: (body, name) => {
      const value = body.integer(name);
      return !body.has(name) || value === -1 ? null : value;
    },
    show: same,
  }),
  OomKillDisable: boolean,
  /**
   * Maximum processes and threads; 0 means no limit; -1 means that an update removed the limit, and inspect shows 0.
   */
  PidsLimit: field<number>({
    read: (body, name) => Math.max(0, body.integer(name)),
    show: (limit) => (limit === 0 ? null : Math.max(0, limit)),
  }),
  Ulimits: ulimits,
  CpuCount: unsupported(WINDOWS, 0),
  CpuPercent: unsupported(WINDOWS, 0),
  IOMaximumIOps: unsupported(WINDOWS, 0),
  IOMaximumBandwidth: unsupported(WINDOWS, 0),
  Init: field<boolean>({ ...boolean, show: (init) => (init ? true : undefined) }),
  /** Null means Docker's list; none in a privileged container. */
  MaskedPaths: field<readonly string[] | null>({
    read: (body, name) => body.optionalStrings(name),
    show: (paths, { privileged }) => maskedPaths({ MaskedPaths: paths, Privileged: privileged }),
  }),
  ReadonlyPaths: field<readonly string[] | null>({
    read: (body, name) => body.optionalStrings(name),
    show: (paths, { privileged }) => readonlyPaths({ ReadonlyPaths: paths, Privileged: privileged }),
  }),
  /** Passed to the OCI runtime. */
  Annotations: stringMap,
};

function field<T>(declared: Field<T>): Field<T> {
  return declared;
}

type Fields = typeof FIELDS;
type Value<Name extends keyof Fields> = ReturnType<Fields[Name]['read']>;
type Always = {
  readonly [Name in keyof Fields as undefined extends Value<Name> ? never : Name]: Value<Name>;
};
type Sometimes = {
  readonly [Name in keyof Fields as undefined extends Value<Name>
    ? Value<Name> extends undefined
      ? never
      : Name
    : never]?: Exclude<Value<Name>, undefined>;
};

/** The part of HostConfig that the agent supports. Other settings are refused at create, never ignored. */
export interface HostConfig extends Always, Sometimes {}

const ENTRIES = Object.entries(FIELDS) as unknown as readonly (readonly [string, Field<unknown>])[];

/**
 * Reads HostConfig of a create request. Checks types, and values that no later step sees; plan/validate.ts checks the
 * rest. Throws JsonError or EngineError 'bad-request' for an invalid field, 'not-implemented' for an unsupported one.
 */
export function readHostConfig(body: JsonFields, host: HostDefaults): HostConfig {
  const values = ENTRIES.map(([name, { read }]) => [name, read(body, name, host)] as const);
  return Object.fromEntries(values.filter(([, value]) => value !== undefined)) as unknown as HostConfig;
}

/** Returns HostConfig for inspect: the effective values, and defaults of the rest. */
export function showHostConfig(
  config: HostConfig,
  { runtime, links }: Pick<ShownContainer, 'runtime' | 'links'>,
): object {
  const container = { privileged: config.Privileged, runtime, links };
  const values = config as unknown as Readonly<Record<string, unknown>>;
  const shown = ENTRIES.flatMap(([name, { show }]) =>
    name === 'BlockIo' ? Object.entries(config.BlockIo) : [[name, show(values[name], container)] as const],
  );
  return Object.fromEntries(shown.filter(([, value]) => value !== undefined));
}

/** Returns the masked paths of a container; null if it is privileged and sets none. */
export function maskedPaths({
  MaskedPaths,
  Privileged,
}: Pick<HostConfig, 'MaskedPaths' | 'Privileged'>): readonly string[] | null {
  return MaskedPaths ?? (Privileged ? null : MASKED);
}

/** Returns the read-only paths of a container; null if it is privileged and sets none. */
export function readonlyPaths({
  ReadonlyPaths,
  Privileged,
}: Pick<HostConfig, 'ReadonlyPaths' | 'Privileged'>): readonly string[] | null {
  return ReadonlyPaths ?? (Privileged ? null : READONLY);
}
