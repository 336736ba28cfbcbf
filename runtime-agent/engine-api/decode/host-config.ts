import type { JsonFields } from '../../../lib/json/json-fields.ts';
import type { BlockIo, DeviceMapping, DeviceRate, HostConfig } from '../../containers/container-info.ts';
import { EngineError } from '../../errors.ts';
import type { HostFacts } from '../host-facts.ts';
import { decodeMounts } from './mounts.ts';
import { decodeNetworkMode, decodePortBindings } from './networking.ts';
import { decodeConsoleSize } from './terminal.ts';
import { refuseUnsupported } from './unsupported.ts';

const DEFAULT_SHM_SIZE = 64 * 1024 * 1024;

/** Facts about the host that decide defaults of HostConfig. */
export interface DecodeHost extends Pick<HostFacts, 'cgroupVersion' | 'runtime'> {
  /** IPC mode where the client sets none; `private` if absent. */
  readonly ipcMode?: 'private' | 'shareable';
}

/**
 * Decodes HostConfig of a create body with the Engine API's defaults; `runc` and `crun` both mean the runtime that this host
 * has. Checks types, and values that no later step sees; containers/plan/validate.ts checks the rest. Throws EngineError 'bad-request' for a wrong field, 'not-implemented' for
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

/**
 * Decodes the namespaces of HostConfig, except the network's, with the Engine API's defaults; containers see the host's cgroups on
 * version 1 and have a namespace on version 2, as with dockerd. Throws EngineError 'bad-request', 'not-implemented'.
 */
function decodeNamespaces(
  body: JsonFields,
  { cgroupVersion, ipcMode = 'private' }: DecodeHost,
): Pick<HostConfig, 'PidMode' | 'IpcMode' | 'UTSMode' | 'UsernsMode' | 'CgroupnsMode'> {
  const pid = body.string('PidMode');
  const ipc = body.string('IpcMode');
  const uts = body.string('UTSMode');
  const cgroup = body.string('CgroupnsMode');
  const users = body.string('UsernsMode');
  if (!['', 'private', 'host'].includes(pid) && !isContainer(pid)) refuseMode('PID', pid);
  if (!['', 'none', 'private', 'shareable', 'host'].includes(ipc) && !isContainer(ipc))
    refuseMode('IPC', ipc);
  if (!['', 'private', 'host'].includes(uts)) refuseMode('UTS', uts);
  if (!['', 'private', 'host'].includes(cgroup)) refuseMode('CGROUP', cgroup);
  if (!['', 'host'].includes(users)) {
    throw new EngineError(
      'not-implemented',
      'another user namespace (--userns) is not supported by berth-agent: leave HostConfig.UsernsMode unset',
    );
  }
  return {
    PidMode: pid === 'private' ? '' : pid,
    IpcMode: ipc === '' ? ipcMode : ipc,
    UTSMode: uts === 'private' ? '' : uts,
    UsernsMode: users,
    CgroupnsMode: (cgroup || (cgroupVersion === '2' ? 'private' : 'host')) as HostConfig['CgroupnsMode'],
  };
}

function isContainer(mode: string): boolean {
  return /^container:./s.test(mode);
}

function refuseMode(what: string, mode: string): never {
  throw new EngineError('bad-request', `invalid ${what} mode: ${mode.slice(0, 80)}`);
}

/**
 * Decodes HostConfig.Devices. A client that does not know the engine's system sends `HOST:CONTAINER:rwm` in one piece, which is
 * split here. Throws EngineError 'bad-request'.
 */
function decodeDevices(body: JsonFields): readonly DeviceMapping[] {
  return body.list('Devices').map((item) => {
    const inside = item.string('PathInContainer');
    const permissions = item.string('CgroupPermissions');
    const parts = item.string('PathOnHost').split(':');
    const [path = '', second = '', third = ''] = parts;
    if (parts.length > 3 || (parts.length > 1 && inside !== '')) refuseDevice(parts.join(':'));
    const isAccess = /^[rwm]{1,3}$/.test(second);
    const mapping = {
      PathOnHost: path,
      PathInContainer: inside || (isAccess ? '' : second) || path,
      CgroupPermissions: permissions || (isAccess ? second : third) || 'rwm',
    };
    if (!mapping.PathOnHost.startsWith('/') || !mapping.PathInContainer.startsWith('/'))
      refuseDevice(parts.join(':'));
    if (!/^[rwm]{1,3}$/.test(mapping.CgroupPermissions)) {
      throw new EngineError(
        'bad-request',
        `invalid device mode of ${path.slice(0, 80)}: ${mapping.CgroupPermissions.slice(0, 40)}`,
      );
    }
    return mapping;
  });
}

function refuseDevice(text: string): never {
  throw new EngineError('bad-request', `invalid device specification: ${text.slice(0, 160)}`);
}

/** Decodes the block I/O limits of HostConfig. Throws EngineError 'bad-request'. */
function decodeBlockIo(body: JsonFields): BlockIo {
  const rates = (name: string): readonly DeviceRate[] =>
    body.list(name).map((item) => ({ Path: item.string('Path'), Rate: item.integer('Rate') }));
  return {
    BlkioWeight: body.integer('BlkioWeight'),
    BlkioWeightDevice: body
      .list('BlkioWeightDevice')
      .map((item) => ({ Path: item.string('Path'), Weight: item.integer('Weight') })),
    BlkioDeviceReadBps: rates('BlkioDeviceReadBps'),
    BlkioDeviceWriteBps: rates('BlkioDeviceWriteBps'),
    BlkioDeviceReadIOps: rates('BlkioDeviceReadIOps'),
    BlkioDeviceWriteIOps: rates('BlkioDeviceWriteIOps'),
  };
}
