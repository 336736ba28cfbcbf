import type { HostConfig } from '../../containers/container.ts';
import { EngineError } from '../../errors.ts';
import type { HostFacts } from '../host-facts.ts';
import type { JsonObject } from '../http/json-body.ts';
import { decodeBlockIo } from './block-io.ts';
import { decodeConsoleSize } from './console-size.ts';
import { decodeDevices } from './devices.ts';
import {
  readBoolean,
  readInteger,
  readObject,
  readObjectList,
  readOptionalStringList,
  readString,
  readStringList,
  readStringMap,
} from './fields.ts';
import { decodeMounts } from './mounts.ts';
import { decodeNamespaces } from './namespaces.ts';
import { decodeNetworkMode, decodePortBindings } from './networking.ts';
import { refuseUnsupported } from './unsupported.ts';

const AT = 'HostConfig.';
const DEFAULT_SHM_SIZE = 64 * 1024 * 1024;
const HANDLED = new Set([
  'Annotations',
  'AutoRemove',
  'Binds',
  'BlkioDeviceReadBps',
  'BlkioDeviceReadIOps',
  'BlkioDeviceWriteBps',
  'BlkioDeviceWriteIOps',
  'BlkioWeight',
  'BlkioWeightDevice',
  'CapAdd',
  'CapDrop',
  'CgroupParent',
  'CgroupnsMode',
  'ConsoleSize',
  'CpuPeriod',
  'CpuQuota',
  'CpuRealtimePeriod',
  'CpuRealtimeRuntime',
  'CpuShares',
  'CpusetCpus',
  'CpusetMems',
  'DeviceCgroupRules',
  'Devices',
  'Dns',
  'DnsOptions',
  'DnsSearch',
  'ExtraHosts',
  'GroupAdd',
  'Init',
  'IpcMode',
  'Links',
  'LogConfig',
  'MaskedPaths',
  'Memory',
  'MemoryReservation',
  'MemorySwap',
  'MemorySwappiness',
  'Mounts',
  'NanoCpus',
  'NetworkMode',
  'OomKillDisable',
  'OomScoreAdj',
  'PidMode',
  'PidsLimit',
  'PortBindings',
  'Privileged',
  'PublishAllPorts',
  'ReadonlyPaths',
  'ReadonlyRootfs',
  'RestartPolicy',
  'Runtime',
  'SecurityOpt',
  'ShmSize',
  'Sysctls',
  'Tmpfs',
  'UTSMode',
  'Ulimits',
  'UsernsMode',
  'VolumeDriver',
  'VolumesFrom',
]);

/** What a create body's host part is read against. */
export type DecodeHost = Pick<HostFacts, 'cgroupVersion' | 'runtime'>;

/**
 * The host's part of a create body with the Engine API's defaults; `runc` and `crun` both mean the
 * runtime that this host has. It checks types and what nobody after it would see; whether the values make sense is
 * containers/plan/validate.ts's to say. Throws EngineError 'bad-request' for a wrong field, 'not-implemented' for
 * one that the agent does not have.
 */
export function decodeHostConfig(body: JsonObject, host: DecodeHost): HostConfig {
  refuseUnsupported(body, AT, HANDLED);
  checkRuntime(readString(body, 'Runtime', AT), host.runtime.name);
  const memory = readInteger(body, 'Memory', AT);
  const consoleSize = decodeConsoleSize(body, AT);
  const links = readStringList(body, 'Links', AT);
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
    Ulimits: decodeUlimits(body),
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
    ...(links.length === 0 ? {} : { Links: links }),
    RestartPolicy: decodeRestartPolicy(readObject(body, 'RestartPolicy', AT)),
    ...decodeNamespaces(body, host.cgroupVersion),
    CgroupParent: readString(body, 'CgroupParent', AT),
    Devices: decodeDevices(body),
    DeviceCgroupRules: readStringList(body, 'DeviceCgroupRules', AT),
    BlockIo: decodeBlockIo(body),
    CpuRealtimePeriod: readInteger(body, 'CpuRealtimePeriod', AT),
    CpuRealtimeRuntime: readInteger(body, 'CpuRealtimeRuntime', AT),
    MemorySwappiness: decodeSwappiness(body),
    MaskedPaths: readOptionalStringList(body, 'MaskedPaths', AT),
    ReadonlyPaths: readOptionalStringList(body, 'ReadonlyPaths', AT),
    Annotations: readStringMap(body, 'Annotations', AT),
    LogConfig: decodeLogConfig(readObject(body, 'LogConfig', AT)),
  };
}

function checkRuntime(asked: string, runtime: string): void {
  if (['', 'runc', 'crun', 'io.containerd.runc.v2', runtime].includes(asked)) return;
  throw new EngineError('bad-request', `unknown or invalid runtime name: ${asked.slice(0, 80)}`);
}

function decodeUlimits(body: JsonObject): HostConfig['Ulimits'] {
  return readObjectList(body, 'Ulimits', AT).map((item, index) => {
    const at = `HostConfig.Ulimits[${index}].`;
    return {
      Name: readString(item, 'Name', at),
      Soft: readInteger(item, 'Soft', at),
      Hard: readInteger(item, 'Hard', at),
    };
  });
}

/** -1 and null leave it as it is; 0 is a value. */
function decodeSwappiness(body: JsonObject): number | null {
  const value = readInteger(body, 'MemorySwappiness', AT);
  return (body.MemorySwappiness ?? null) === null || value === -1 ? null : value;
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
