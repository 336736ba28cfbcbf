import type { HostConfig } from '../../containers/container.ts';
import { EngineError } from '../../errors.ts';
import type { HostFacts } from '../host-facts.ts';
import { isJsonObject, type JsonObject } from '../http/json-body.ts';
import { readBoolean, readInteger, readObject, readString, readStringList, readStringMap } from './fields.ts';
import { decodeMounts } from './mounts.ts';
import { decodeNetworkMode, decodePortBindings } from './networking.ts';
import { refuseUnsupported } from './unsupported.ts';

const AT = 'HostConfig.';
const DEFAULT_SHM_SIZE = 64 * 1024 * 1024;
const HANDLED = new Set([
  'AutoRemove',
  'Binds',
  'CapAdd',
  'CapDrop',
  'CgroupnsMode',
  'ConsoleSize',
  'CpuPeriod',
  'CpuQuota',
  'CpuShares',
  'CpusetCpus',
  'CpusetMems',
  'Dns',
  'DnsOptions',
  'DnsSearch',
  'ExtraHosts',
  'GroupAdd',
  'Init',
  'LogConfig',
  'Memory',
  'MemoryReservation',
  'MemorySwap',
  'Mounts',
  'NanoCpus',
  'NetworkMode',
  'OomKillDisable',
  'OomScoreAdj',
  'PidsLimit',
  'PortBindings',
  'Privileged',
  'PublishAllPorts',
  'ReadonlyRootfs',
  'RestartPolicy',
  'Runtime',
  'SecurityOpt',
  'ShmSize',
  'Sysctls',
  'Tmpfs',
  'Ulimits',
  'VolumeDriver',
  'VolumesFrom',
]);

/** What a create body's host part is read against. */
export type DecodeHost = Pick<HostFacts, 'cgroupVersion' | 'runtime'>;

/**
 * The host's part of a create body with the Engine API's defaults; dockerd's default runtime `runc` means the one
 * that this host has. It checks types and what nobody after it would see; whether the values make sense is
 * containers/plan/validate.ts's to say. Throws EngineError 'bad-request' for a wrong field, 'not-implemented' for
 * one that the agent does not have.
 */
export function decodeHostConfig(body: JsonObject, host: DecodeHost): HostConfig {
  refuseUnsupported(body, AT, HANDLED);
  checkRuntime(readString(body, 'Runtime', AT), host.runtime.name);
  checkCgroupNamespace(readString(body, 'CgroupnsMode', AT), host.cgroupVersion);
  const memory = readInteger(body, 'Memory', AT);
  const consoleSize = decodeConsoleSize(body.ConsoleSize ?? [0, 0]);
  return {
    AutoRemove: readBoolean(body, 'AutoRemove', AT),
    Memory: memory,
    // Docker's default, which inspect shows.
    MemorySwap: readInteger(body, 'MemorySwap', AT) || Math.max(0, 2 * memory),
    MemoryReservation: readInteger(body, 'MemoryReservation', AT),
    NanoCpus: readInteger(body, 'NanoCpus', AT),
    CpuShares: readInteger(body, 'CpuShares', AT),
    CpuPeriod: readInteger(body, 'CpuPeriod', AT),
    CpuQuota: readInteger(body, 'CpuQuota', AT),
    CpusetCpus: readString(body, 'CpusetCpus', AT),
    CpusetMems: readString(body, 'CpusetMems', AT),
    PidsLimit: readInteger(body, 'PidsLimit', AT),
    OomScoreAdj: readInteger(body, 'OomScoreAdj', AT),
    OomKillDisable: readBoolean(body, 'OomKillDisable', AT),
    ReadonlyRootfs: readBoolean(body, 'ReadonlyRootfs', AT),
    Privileged: readBoolean(body, 'Privileged', AT),
    CapAdd: readStringList(body, 'CapAdd', AT),
    CapDrop: readStringList(body, 'CapDrop', AT),
    SecurityOpt: readStringList(body, 'SecurityOpt', AT),
    GroupAdd: readStringList(body, 'GroupAdd', AT),
    ShmSize: readInteger(body, 'ShmSize', AT) || DEFAULT_SHM_SIZE,
    Tmpfs: readStringMap(body, 'Tmpfs', AT),
    Binds: readStringList(body, 'Binds', AT),
    Mounts: decodeMounts(body.Mounts ?? []),
    VolumesFrom: readStringList(body, 'VolumesFrom', AT),
    VolumeDriver: readString(body, 'VolumeDriver', AT),
    Ulimits: decodeUlimits(body.Ulimits ?? []),
    Sysctls: readStringMap(body, 'Sysctls', AT),
    Init: readBoolean(body, 'Init', AT),
    NetworkMode: decodeNetworkMode(readString(body, 'NetworkMode', AT)),
    PortBindings: decodePortBindings(body, AT),
    PublishAllPorts: readBoolean(body, 'PublishAllPorts', AT),
    Dns: readStringList(body, 'Dns', AT),
    DnsOptions: readStringList(body, 'DnsOptions', AT),
    DnsSearch: readStringList(body, 'DnsSearch', AT),
    ExtraHosts: readStringList(body, 'ExtraHosts', AT),
    ...(consoleSize === undefined ? {} : { ConsoleSize: consoleSize }),
    RestartPolicy: decodeRestartPolicy(readObject(body, 'RestartPolicy', AT)),
    LogConfig: decodeLogConfig(readObject(body, 'LogConfig', AT)),
  };
}

function checkRuntime(asked: string, runtime: string): void {
  if (['', 'runc', 'io.containerd.runc.v2', runtime].includes(asked)) return;
  throw new EngineError('bad-request', `unknown or invalid runtime name: ${asked.slice(0, 80)}`);
}

/** Containers see the host's cgroups on version 1 and have a namespace on version 2, as with dockerd. */
function checkCgroupNamespace(asked: string, version: HostFacts['cgroupVersion']): void {
  const mode = version === '1' ? 'host' : 'private';
  if (asked === '' || asked === mode) return;
  throw new EngineError(
    'not-implemented',
    `another cgroup namespace (--cgroupns) is not supported yet by berth-agent: this host has ${mode}`,
  );
}

/** `[height, width]`; zeros are what clients without a terminal send. */
function decodeConsoleSize(value: unknown): HostConfig['ConsoleSize'] {
  const sizes: readonly unknown[] = Array.isArray(value) ? value : [];
  const isSize = (size: unknown): size is number =>
    typeof size === 'number' && Number.isInteger(size) && size >= 0 && size <= 65535;
  const [rows, columns] = sizes;
  if (sizes.length !== 2 || !isSize(rows) || !isSize(columns)) {
    throw new EngineError('bad-request', 'HostConfig.ConsoleSize must be two numbers of 0 to 65535');
  }
  return rows === 0 || columns === 0 ? undefined : [rows, columns];
}

function decodeUlimits(value: unknown): HostConfig['Ulimits'] {
  if (!Array.isArray(value) || !value.every(isJsonObject)) {
    throw new EngineError('bad-request', 'HostConfig.Ulimits must be a list of objects');
  }
  return value.map((item, index) => {
    const at = `HostConfig.Ulimits[${index}].`;
    return {
      Name: readString(item, 'Name', at),
      Soft: readInteger(item, 'Soft', at),
      Hard: readInteger(item, 'Hard', at),
    };
  });
}

function decodeRestartPolicy(value: JsonObject): HostConfig['RestartPolicy'] {
  const at = 'HostConfig.RestartPolicy.';
  return {
    Name: readString(value, 'Name', at) || 'no',
    MaximumRetryCount: readInteger(value, 'MaximumRetryCount', at),
  };
}

function decodeLogConfig(value: JsonObject): HostConfig['LogConfig'] {
  const at = 'HostConfig.LogConfig.';
  return { Type: readString(value, 'Type', at) || 'json-file', Config: readStringMap(value, 'Config', at) };
}
