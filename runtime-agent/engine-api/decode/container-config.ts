import type { JsonFields } from '../../../lib/json/json-fields.ts';
import type { ContainerConfig } from '../../containers/container.ts';
import { EngineError } from '../../errors.ts';
import { decodeHealthcheck } from './healthcheck.ts';

const OF_IMAGES = [
  ...['Cmd', 'Entrypoint', 'Env', 'ExposedPorts', 'Healthcheck', 'Labels', 'OnBuild', 'Shell', 'StopSignal'],
  ...['User', 'Volumes', 'WorkingDir'],
];

/**
 * The container's own part of a create body (Engine API, ContainerCreate). It checks types and what nobody after
 * it would see; whether the values make sense is containers/plan/validate.ts's to say. Throws EngineError
 * 'bad-request', JsonError.
 */
export function decodeContainerConfig(body: JsonFields): ContainerConfig {
  const config = decodeConfig(body);
  if (config.Image === '') throw new EngineError('bad-request', 'Image is empty: name the image to run');
  return config;
}

/** Fields that replace those of the container in a commit (ImageCommit); undefined if the body has none. */
export function decodeCommitConfig(body: JsonFields): ContainerConfig | undefined {
  return OF_IMAGES.some((name) => body.has(name)) ? decodeConfig(body) : undefined;
}

function decodeConfig(body: JsonFields): ContainerConfig {
  const mac = body.string('MacAddress');
  const stopSignal = body.string('StopSignal');
  const stopTimeout = body.integer('StopTimeout');
  const exposedPorts = body.set('ExposedPorts');
  const volumes = body.set('Volumes');
  const healthcheck = decodeHealthcheck(body);
  const shell = body.strings('Shell');
  const onBuild = body.strings('OnBuild');
  for (const port of Object.keys(exposedPorts)) checkPort(port);
  return {
    Hostname: body.string('Hostname'),
    Domainname: body.string('Domainname'),
    User: body.string('User'),
    AttachStdin: body.boolean('AttachStdin'),
    AttachStdout: body.boolean('AttachStdout'),
    AttachStderr: body.boolean('AttachStderr'),
    Tty: body.boolean('Tty'),
    OpenStdin: body.boolean('OpenStdin'),
    StdinOnce: body.boolean('StdinOnce'),
    Env: body.strings('Env'),
    Cmd: body.command('Cmd'),
    Entrypoint: body.command('Entrypoint'),
    Image: body.string('Image'),
    Labels: body.stringMap('Labels'),
    WorkingDir: body.string('WorkingDir'),
    ...(mac === '' ? {} : { MacAddress: mac }),
    ...(stopSignal === '' ? {} : { StopSignal: stopSignal }),
    ...(body.has('StopTimeout') ? { StopTimeout: stopTimeout } : {}),
    ...(Object.keys(exposedPorts).length === 0 ? {} : { ExposedPorts: exposedPorts }),
    ...(Object.keys(volumes).length === 0 ? {} : { Volumes: volumes }),
    ...(healthcheck === undefined ? {} : { Healthcheck: healthcheck }),
    ...(shell.length === 0 ? {} : { Shell: shell }),
    ...(onBuild.length === 0 ? {} : { OnBuild: onBuild }),
  };
}

function checkPort(text: string): void {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(text);
  if (match === null || Number(match[1]) > 65535 || Number(match[2] ?? 0) > 65535) {
    throw new EngineError('bad-request', `invalid port in ExposedPorts: ${text.slice(0, 80)}`);
  }
}
