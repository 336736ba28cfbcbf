import { EngineError } from '../../errors.ts';
import type { OciProcess } from '../../oci-runner/bundle.ts';
import type { Container } from '../container.ts';
import { processEnvironment } from '../plan/environment.ts';
import { resolveUser } from '../plan/user.ts';
import type { ExecRequest, TerminalSize } from './execs.ts';

/** What an exec's process is made of besides the request. */
export interface ExecInputs {
  /** Of the container's own process. */
  readonly base: OciProcess;
  /** Texts of the container's own /etc/passwd and /etc/group, '' where it has none. */
  readonly accounts: { readonly passwd: string; readonly group: string };
  /** All that the agent can hand on. */
  readonly capabilities: readonly string[];
  readonly size: TerminalSize | undefined;
  /** Variables of the containers that it is linked to. */
  readonly links?: readonly string[];
}

/**
 * The process of a further command (runtime-spec, config.md, "process"): it has what the container's own has, and what the
 * request says otherwise. Throws EngineError 'bad-request' for a user or group that is not there.
 */
export function execProcess(container: Container, request: ExecRequest, inputs: ExecInputs): OciProcess {
  const { base, size } = inputs;
  const { config, hostConfig } = container;
  const { uid, gid, additionalGids, home } =
    request.user === ''
      ? { ...base.user, home: resolveUser(String(base.user.uid), [], inputs.accounts).home }
      : resolveUser(request.user, hostConfig.GroupAdd, inputs.accounts);
  const cwd = request.workingDir === '' ? base.cwd : request.workingDir;
  // What runc says; crun would take it to be inside the container's own.
  if (!cwd.startsWith('/')) {
    throw new EngineError(
      'bad-request',
      'OCI runtime exec failed: exec failed: Cwd must be an absolute path: unknown',
    );
  }
  const bounding = request.privileged ? inputs.capabilities : base.capabilities.bounding;
  // What execve gives a process that is not root.
  const held = uid === 0 || request.privileged ? bounding : [];
  const { consoleSize: _, ...kept } = base;
  return {
    ...kept,
    terminal: request.tty,
    ...(request.tty && size !== undefined ? { consoleSize: { height: size.rows, width: size.columns } } : {}),
    user: { uid, gid, additionalGids },
    args: request.cmd,
    env: processEnvironment(
      { ...config, Tty: request.tty, Env: [...config.Env, ...request.env] },
      home,
      inputs.links,
    ),
    cwd,
    capabilities: { bounding, effective: held, permitted: held, inheritable: [], ambient: [] },
  };
}
