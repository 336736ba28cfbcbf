import type { Exec } from '../../containers/exec/execs.ts';

/** `GET /exec/{id}/json` (Engine API, ExecInspect). */
export function execInspect(exec: Exec): object {
  const { request } = exec;
  const [entrypoint = '', ...args] = request.cmd;
  return {
    ID: exec.id,
    Running: exec.running,
    ExitCode: exec.exitCode ?? null,
    ProcessConfig: {
      tty: request.tty,
      entrypoint,
      arguments: args,
      privileged: request.privileged,
      ...(request.user === '' ? {} : { user: request.user }),
    },
    OpenStdin: request.attachStdin,
    OpenStderr: request.attachStderr,
    OpenStdout: request.attachStdout,
    CanRemove: false,
    ContainerID: exec.containerId,
    DetachKeys: request.detachKeys,
    Pid: exec.pid,
  };
}
