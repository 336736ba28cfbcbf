import type { ContainerConfig } from '../../containers/container.ts';
import { EngineError } from '../../errors.ts';
import type { JsonObject } from '../http/json-body.ts';
import {
  readBoolean,
  readCommand,
  readInteger,
  readSet,
  readString,
  readStringList,
  readStringMap,
} from './fields.ts';
import { decodeHealthcheck } from './healthcheck.ts';
import { refuseUnsupported } from './unsupported.ts';

const HANDLED = new Set([
  'AttachStderr',
  'AttachStdin',
  'AttachStdout',
  'Cmd',
  'Domainname',
  'Entrypoint',
  'Env',
  'ExposedPorts',
  'Healthcheck',
  'HostConfig',
  'Hostname',
  'Image',
  'Labels',
  'MacAddress',
  'NetworkingConfig',
  'OnBuild',
  'OpenStdin',
  'Shell',
  'StdinOnce',
  'StopSignal',
  'StopTimeout',
  'Tty',
  'User',
  'Volumes',
  'WorkingDir',
]);

/**
 * The container's own part of a create body (Engine API, ContainerCreate). It checks types and what nobody after
 * it would see; whether the values make sense is containers/plan/validate.ts's to say. Throws EngineError
 * 'bad-request' for a wrong field, 'not-implemented' for one that the agent does not have.
 */
export function decodeContainerConfig(body: JsonObject): ContainerConfig {
  refuseUnsupported(body, '', HANDLED);
  const image = readString(body, 'Image', '');
  if (image === '') throw new EngineError('bad-request', 'Image is empty: name the image to run');
  const stopSignal = readString(body, 'StopSignal', '');
  const stopTimeout = readInteger(body, 'StopTimeout', '');
  const exposedPorts = readSet(body, 'ExposedPorts', '');
  const volumes = readSet(body, 'Volumes', '');
  const healthcheck = decodeHealthcheck(body);
  const shell = readStringList(body, 'Shell', '');
  const onBuild = readStringList(body, 'OnBuild', '');
  for (const port of Object.keys(exposedPorts)) checkPort(port);
  return {
    Hostname: readString(body, 'Hostname', ''),
    Domainname: readString(body, 'Domainname', ''),
    User: readString(body, 'User', ''),
    AttachStdin: readBoolean(body, 'AttachStdin', ''),
    AttachStdout: readBoolean(body, 'AttachStdout', ''),
    AttachStderr: readBoolean(body, 'AttachStderr', ''),
    Tty: readBoolean(body, 'Tty', ''),
    OpenStdin: readBoolean(body, 'OpenStdin', ''),
    StdinOnce: readBoolean(body, 'StdinOnce', ''),
    Env: readStringList(body, 'Env', ''),
    Cmd: readCommand(body, 'Cmd', ''),
    Entrypoint: readCommand(body, 'Entrypoint', ''),
    Image: image,
    Labels: readStringMap(body, 'Labels', ''),
    WorkingDir: readString(body, 'WorkingDir', ''),
    ...(stopSignal === '' ? {} : { StopSignal: stopSignal }),
    ...((body.StopTimeout ?? null) === null ? {} : { StopTimeout: stopTimeout }),
    ...(Object.keys(exposedPorts).length === 0 ? {} : { ExposedPorts: exposedPorts }),
    ...(Object.keys(volumes).length === 0 ? {} : { Volumes: volumes }),
    ...(healthcheck === undefined ? {} : { Healthcheck: healthcheck }),
    ...(shell.length === 0 ? {} : { Shell: shell }),
    ...(onBuild.length === 0 ? {} : { OnBuild: onBuild }),
  };
}

function checkPort(text: string): void {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(text);
  if (match === null || Number(match[1]) > 65535 || Number(match[2] ?? 0) > 65535) {
    throw new EngineError('bad-request', `invalid port in ExposedPorts: ${text.slice(0, 80)}`);
  }
}
