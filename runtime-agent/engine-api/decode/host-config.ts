import type { HostConfig } from '../../containers/container.ts';
import { EngineError } from '../../errors.ts';
import { isJsonObject, type JsonObject } from '../http/json-body.ts';
import { readBoolean, readInteger, readObject, readString, readStringList, readStringMap } from './fields.ts';
import { decodeNetworkMode } from './networking.ts';
import { refuseUnsupported } from './unsupported.ts';

const AT = 'HostConfig.';
const DEFAULT_SHM_SIZE = 64 * 1024 * 1024;
const HANDLED = new Set([
  'AutoRemove',
  'CapAdd',
  'CapDrop',
  'CpuPeriod',
  'CpuQuota',
  'CpuShares',
  'CpusetCpus',
  'CpusetMems',
  'GroupAdd',
  'Init',
  'LogConfig',
  'Memory',
  'MemoryReservation',
  'MemorySwap',
  'NanoCpus',
  'NetworkMode',
  'OomKillDisable',
  'OomScoreAdj',
  'PidsLimit',
  'Privileged',
  'ReadonlyRootfs',
  'RestartPolicy',
  'Runtime',
  'SecurityOpt',
  'ShmSize',
  'Sysctls',
  'Tmpfs',
  'Ulimits',
]);

/**
 * The host's part of a create body with the Engine API's defaults. `runtime` is the OCI runtime that this host
 * has: dockerd's default name `runc` means it too. Throws EngineError 'bad-request' for a wrong field,
 * 'not-implemented' for what the agent cannot do.
 */
export function decodeHostConfig(body: JsonObject, runtime: string): HostConfig {
  refuseUnsupported(body, AT, HANDLED);
  checkRuntime(readString(body, 'Runtime', AT), runtime);
  const shmSize = readInteger(body, 'ShmSize', AT);
  if (shmSize < 0) throw new EngineError('bad-request', 'SHM size can not be less than 0');
  const autoRemove = readBoolean(body, 'AutoRemove', AT);
  return {
    AutoRemove: autoRemove,
    Memory: readInteger(body, 'Memory', AT),
    MemorySwap: readInteger(body, 'MemorySwap', AT),
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
    ShmSize: shmSize === 0 ? DEFAULT_SHM_SIZE : shmSize,
    Tmpfs: readStringMap(body, 'Tmpfs', AT),
    Ulimits: decodeUlimits(body.Ulimits ?? []),
    Sysctls: readStringMap(body, 'Sysctls', AT),
    Init: readBoolean(body, 'Init', AT),
    NetworkMode: decodeNetworkMode(readString(body, 'NetworkMode', AT)),
    RestartPolicy: decodeRestartPolicy(readObject(body, 'RestartPolicy', AT)),
    LogConfig: decodeLogConfig(readObject(body, 'LogConfig', AT)),
  };
}

function checkRuntime(asked: string, runtime: string): void {
  if (asked === '' || asked === 'runc' || asked === runtime || asked === 'io.containerd.runc.v2') return;
  throw new EngineError('bad-request', `unknown or invalid runtime name: ${asked.slice(0, 80)}`);
}

function decodeUlimits(value: unknown): HostConfig['Ulimits'] {
  if (!Array.isArray(value) || !value.every(isJsonObject)) {
    throw new EngineError('bad-request', 'HostConfig.Ulimits must be a list of objects');
  }
  return value.map((item, index) => {
    const at = `HostConfig.Ulimits[${index}].`;
    const name = readString(item, 'Name', at);
    if (!/^[a-z]+$/.test(name))
      throw new EngineError('bad-request', `invalid ulimit type: ${name.slice(0, 80)}`);
    return { Name: name, Soft: readInteger(item, 'Soft', at), Hard: readInteger(item, 'Hard', at) };
  });
}

function decodeRestartPolicy(value: JsonObject): HostConfig['RestartPolicy'] {
  const name = readString(value, 'Name', 'HostConfig.RestartPolicy.');
  const retries = readInteger(value, 'MaximumRetryCount', 'HostConfig.RestartPolicy.');
  if (name === '' || name === 'no') {
    if (retries !== 0) {
      throw new EngineError(
        'bad-request',
        "invalid restart policy: maximum retry count can only be used with 'on-failure'",
      );
    }
    return { Name: 'no', MaximumRetryCount: 0 };
  }
  if (name === 'always' || name === 'unless-stopped' || name === 'on-failure') {
    throw new EngineError(
      'not-implemented',
      `the restart policy ${name} (--restart) is not supported yet by berth-agent: leave HostConfig.RestartPolicy unset`,
    );
  }
  throw new EngineError(
    'bad-request',
    `invalid restart policy: unknown policy '${name.slice(0, 80)}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
  );
}

function decodeLogConfig(value: JsonObject): HostConfig['LogConfig'] {
  const type = readString(value, 'Type', 'HostConfig.LogConfig.');
  const options = readStringMap(value, 'Config', 'HostConfig.LogConfig.');
  if (type !== '' && type !== 'json-file') {
    throw new EngineError(
      'not-implemented',
      `the log driver ${type.slice(0, 80)} (--log-driver) is not supported yet by berth-agent: use json-file`,
    );
  }
  const option = Object.keys(options)[0];
  if (option !== undefined) {
    throw new EngineError(
      'not-implemented',
      `the log option ${option.slice(0, 80)} (--log-opt) is not supported yet by berth-agent: leave HostConfig.LogConfig.Config empty`,
    );
  }
  return { Type: 'json-file', Config: {} };
}
