import { JsonFields } from '../../lib/json/json-fields.ts';
import type { ContainerConfig } from '../../runtime-agent/containers/container-info.ts';
import { type HostConfig, readHostConfig } from '../../runtime-agent/containers/host-config.ts';

/** The name of the tests' image. */
export const IMAGE = 'busybox:test';

/** A configuration as the docker CLI sends it for `docker run IMAGE command`. */
export function containerConfig(
  command: readonly string[],
  changes: Partial<ContainerConfig> = {},
): ContainerConfig {
  return {
    Hostname: '',
    Domainname: '',
    User: '',
    AttachStdin: false,
    AttachStdout: true,
    AttachStderr: true,
    Tty: false,
    OpenStdin: false,
    StdinOnce: false,
    Env: [],
    Cmd: command.length === 0 ? null : command,
    Entrypoint: null,
    Image: IMAGE,
    Labels: {},
    WorkingDir: '',
    ...changes,
  };
}

/** HostConfig as a create request without options has it, with changes. */
export function hostConfig(changes: Partial<HostConfig> = {}): HostConfig {
  const defaults = readHostConfig(new JsonFields(null), { cgroupVersion: '1', runtime: { name: '' } });
  return { ...defaults, ...changes };
}
