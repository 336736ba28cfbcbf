import type { JsonFields } from '../../../lib/json/json-fields.ts';
import type { HostConfig } from '../../containers/container.ts';
import { EngineError } from '../../errors.ts';
import type { DecodeHost } from './host-config.ts';

const AT = 'HostConfig.';

/**
 * The namespaces of HostConfig, but the network's, with the Engine API's defaults; containers see the host's cgroups on
 * version 1 and have a namespace on version 2, as with dockerd. Throws EngineError 'bad-request', 'not-implemented'.
 */
export function decodeNamespaces(
  body: JsonFields,
  { cgroupVersion, ipcMode = 'private' }: DecodeHost,
): Pick<HostConfig, 'PidMode' | 'IpcMode' | 'UTSMode' | 'UsernsMode' | 'CgroupnsMode'> {
  const pid = body.string('PidMode');
  const ipc = body.string('IpcMode');
  const uts = body.string('UTSMode');
  const cgroup = body.string('CgroupnsMode');
  const users = body.string('UsernsMode');
  if (!['', 'private', 'host'].includes(pid) && !isContainer(pid)) refuse('PID', pid);
  if (!['', 'none', 'private', 'shareable', 'host'].includes(ipc) && !isContainer(ipc)) refuse('IPC', ipc);
  if (!['', 'private', 'host'].includes(uts)) refuse('UTS', uts);
  if (!['', 'private', 'host'].includes(cgroup)) refuse('CGROUP', cgroup);
  if (!['', 'host'].includes(users)) {
    throw new EngineError(
      'not-implemented',
      `another user namespace (--userns) is not supported by berth-agent: leave ${AT}UsernsMode unset`,
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

function refuse(what: string, mode: string): never {
  throw new EngineError('bad-request', `invalid ${what} mode: ${mode.slice(0, 80)}`);
}
