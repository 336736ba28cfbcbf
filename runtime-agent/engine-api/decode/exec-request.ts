import type { ExecRequest, TerminalSize } from '../../containers/exec/execs.ts';
import { EngineError } from '../../errors.ts';
import type { JsonObject } from '../http/json-body.ts';
import { parseDetachKeys } from '../streams/detach-keys.ts';
import { decodeConsoleSize } from './console-size.ts';
import { readBoolean, readCommand, readString, readStringList } from './fields.ts';

/** The body of `POST /containers/{id}/exec` (Engine API, ContainerExec). Throws EngineError 'bad-request'. */
export function decodeExecRequest(body: JsonObject): ExecRequest {
  const cmd = readCommand(body, 'Cmd', '') ?? [];
  const env = readStringList(body, 'Env', '');
  const user = readString(body, 'User', '');
  const workingDir = readString(body, 'WorkingDir', '');
  const detachKeys = readString(body, 'DetachKeys', '');
  if (cmd.length === 0) throw new EngineError('bad-request', 'No exec command specified');
  for (const text of [...cmd, ...env, user, workingDir]) {
    if (text.includes('\0')) throw new EngineError('bad-request', 'a command cannot hold a zero byte');
  }
  for (const variable of env) {
    if (variable === '' || variable.startsWith('=')) {
      throw new EngineError('bad-request', `invalid environment variable: ${variable.slice(0, 80)}`);
    }
  }
  parseDetachKeys(detachKeys);
  const size = terminalSize(body);
  return {
    cmd,
    user,
    env,
    workingDir,
    tty: readBoolean(body, 'Tty', ''),
    privileged: readBoolean(body, 'Privileged', ''),
    attachStdin: readBoolean(body, 'AttachStdin', ''),
    attachStdout: readBoolean(body, 'AttachStdout', ''),
    attachStderr: readBoolean(body, 'AttachStderr', ''),
    detachKeys,
    ...(size === undefined ? {} : { size }),
  };
}

/** The body of `POST /exec/{id}/start` (Engine API, ExecStart). */
export interface ExecStart {
  readonly detach: boolean;
  /** How the client reads the output: as it is, or in frames. */
  readonly tty: boolean;
  readonly size?: TerminalSize;
}

/** Throws EngineError 'bad-request'. */
export function decodeExecStart(body: JsonObject): ExecStart {
  const size = terminalSize(body);
  return {
    detach: readBoolean(body, 'Detach', ''),
    tty: readBoolean(body, 'Tty', ''),
    ...(size === undefined ? {} : { size }),
  };
}

function terminalSize(body: JsonObject): TerminalSize | undefined {
  const size = decodeConsoleSize(body, '');
  return size === undefined ? undefined : { rows: size[0], columns: size[1] };
}
