import type { JsonFields } from '../../../lib/json/json-fields.ts';
import type { HostConfig } from '../../containers/container.ts';
import { EngineError } from '../../errors.ts';
import type { HostFacts } from '../host-facts.ts';
import { decodeBlockIo } from './block-io.ts';
import { decodeConsoleSize } from './console-size.ts';
import { decodeDevices } from './devices.ts';
import { decodeMounts } from './mounts.ts';
import { decodeNamespaces } from './namespaces.ts';
import { decodeNetworkMode, decodePortBindings } from './networking.ts';
import { refuseUnsupported } from './unsupported.ts';

const DEFAULT_SHM_SIZE = 64 * 1024 * 1024;
/** What a create body's host part is read against. */
export interface DecodeHost extends Pick<HostFacts, 'cgroupVersion' | 'runtime'> {
  /** Unless the client says; `private`. */
  readonly ipcMode?: 'private' | 'shareable';
}

/**
 * The host's part of a create body with the Engine API's defaults; `runc` and `crun` both mean the
 * runtime that this host has. It checks types and what nobody after it would see; whether the values make sense is
 * containers/plan/validate.ts's to say. Throws EngineError 'bad-request' for a wrong field, 'not-implemented' for
 * one that the agent does not have.
 */
export function decodeHostConfig(body: JsonFields, host: DecodeHost): HostConfig {
  refuseUnsupported(body);
  checkRuntime(body.string('Runtime'), host.runtime.name);
  const memory = body.integer('Memory');
  const consoleSize = decodeConsoleSize(body);
  const links = body.strings('Links');
  const isolation = body.string('Isolation');
  return {
    AutoRemove: body.boolean('AutoRemove'),
    Memory: memory,
    // Docker's default, which inspect shows.
    MemorySwap: body.integer('MemorySwap') || Math.max(0, 2 * memory),
    MemoryReservation: body.integer('MemoryReservation'),
    NanoCpus: body.integer('NanoCpus'),
    CpuShares: body.integer('CpuShares'),
    CpuPeriod: body.integer('CpuPeriod'),
    CpuQuota: body.integer('CpuQuota'),
    CpusetCpus: body.string('CpusetCpus'),
    CpusetMems: body.string('CpusetMems'),
    PidsLimit: Math.max(0, body.integer('PidsLimit')),
    OomScoreAdj: body.integer('OomScoreAdj'),
    OomKillDisable: body.boolean('OomKillDisable'),
    ReadonlyRootfs: body.boolean('ReadonlyRootfs'),
    Privileged: body.boolean('Privileged'),
    CapAdd: body.strings('CapAdd'),
    CapDrop: body.strings('CapDrop'),
    SecurityOpt: body.strings('SecurityOpt'),
    GroupAdd: body.strings('GroupAdd'),
    ShmSize: body.integer('ShmSize') || DEFAULT_SHM_SIZE,
    Tmpfs: body.stringMap('Tmpfs'),
    Binds: body.strings('Binds'),
    Mounts: decodeMounts(body.list('Mounts')),
    VolumesFrom: body.strings('VolumesFrom'),
    VolumeDriver: body.string('VolumeDriver'),
    Ulimits: decodeUlimits(body),
    Sysctls: body.stringMap('Sysctls'),
    Init: body.boolean('Init'),
    NetworkMode: decodeNetworkMode(body.string('NetworkMode')),
    PortBindings: decodePortBindings(body),
    PublishAllPorts: body.boolean('PublishAllPorts'),
    Dns: body.strings('Dns'),
    DnsOptions: body.strings('DnsOptions'),
    DnsSearch: body.strings('DnsSearch'),
    ExtraHosts: body.strings('ExtraHosts'),
    ...(consoleSize === undefined ? {} : { ConsoleSize: consoleSize }),
    ...(isolation === '' ? {} : { Isolation: isolation }),
    ...(links.length === 0 ? {} : { Links: links }),
    RestartPolicy: decodeRestartPolicy(body.fields('RestartPolicy')),
    ...decodeNamespaces(body, host),
    CgroupParent: body.string('CgroupParent'),
    Devices: decodeDevices(body),
    DeviceCgroupRules: body.strings('DeviceCgroupRules'),
    BlockIo: decodeBlockIo(body),
    CpuRealtimePeriod: body.integer('CpuRealtimePeriod'),
    CpuRealtimeRuntime: body.integer('CpuRealtimeRuntime'),
    MemorySwappiness: decodeSwappiness(body),
    MaskedPaths: body.optionalStrings('MaskedPaths'),
    ReadonlyPaths: body.optionalStrings('ReadonlyPaths'),
    Annotations: body.stringMap('Annotations'),
    LogConfig: decodeLogConfig(body.fields('LogConfig')),
  };
}

function checkRuntime(asked: string, runtime: string): void {
  if (['', 'runc', 'crun', 'io.containerd.runc.v2', runtime].includes(asked)) return;
  throw new EngineError('bad-request', `unknown or invalid runtime name: ${asked.slice(0, 80)}`);
}

function decodeUlimits(body: JsonFields): HostConfig['Ulimits'] {
  return body.list('Ulimits').map((item) => ({
    Name: item.string('Name'),
    Soft: item.integer('Soft'),
    Hard: item.integer('Hard'),
  }));
}

/** -1 and null leave it as it is; 0 is a value. */
function decodeSwappiness(body: JsonFields): number | null {
  const value = body.integer('MemorySwappiness');
  return !body.has('MemorySwappiness') || value === -1 ? null : value;
}

function decodeRestartPolicy(value: JsonFields): HostConfig['RestartPolicy'] {
  return {
    Name: value.string('Name') || 'no',
    MaximumRetryCount: value.integer('MaximumRetryCount'),
  };
}

function decodeLogConfig(value: JsonFields): HostConfig['LogConfig'] {
  return { Type: value.string('Type') || 'json-file', Config: value.stringMap('Config') };
}
