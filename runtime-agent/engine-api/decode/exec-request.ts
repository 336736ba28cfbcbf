import type { JsonFields } from '../../../lib/json/json-fields.ts';
import type { ExecRequest, TerminalSize } from '../../containers/exec/execs.ts';
import { readConsoleSize } from '../../containers/host-config-fields.ts';
import { EngineError } from '../../errors.ts';
import { parseDetachKeys } from '../http/query.ts';

/** Decodes the body of `POST /containers/{id}/exec` (Engine API, ContainerExec). Throws EngineError 'bad-request'. */
export function decodeExecRequest(body: JsonFields): ExecRequest {
  const cmd = body.command('Cmd') ?? [];
  const env = body.strings('Env');
  const user = body.string('User');
  const workingDir = body.string('WorkingDir');
  const detachKeys = body.string('DetachKeys');
  if (cmd.length === 0) throw new EngineError('bad-request', 'No exec command specified');
  for (const text of [...cmd, ...env, user, workingDir]) {
    if (text.includes('\0')) throw new EngineError('bad-request', 'a command cannot contain a zero byte');
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
    tty: body.boolean('Tty'),
    privileged: body.boolean('Privileged'),
    attachStdin: body.boolean('AttachStdin'),
    attachStdout: body.boolean('AttachStdout'),
    attachStderr: body.boolean('AttachStderr'),
    detachKeys,
    ...(size === undefined ? {} : { size }),
  };
}

/** The body of `POST /exec/{id}/start` (Engine API, ExecStart). */
export interface ExecStart {
  readonly detach: boolean;
  /** How the client reads the output: raw, or in frames. */
  readonly tty: boolean;
  readonly size?: TerminalSize;
}

/** Throws EngineError 'bad-request'. */
export function decodeExecStart(body: JsonFields): ExecStart {
  const size = terminalSize(body);
  return {
    detach: body.boolean('Detach'),
    tty: body.boolean('Tty'),
    ...(size === undefined ? {} : { size }),
  };
}

function terminalSize(body: JsonFields): TerminalSize | undefined {
  const size = readConsoleSize(body);
  return size === undefined ? undefined : { rows: size[0], columns: size[1] };
}
