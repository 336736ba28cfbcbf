import type { ExecProcess } from './exec-process.ts';
import type { Exec, ExecRequest, TerminalSize } from './execs.ts';

/** A command in a container as the agent holds it; the database knows nothing of it. */
export class ExecRecord {
  readonly id: string;
  readonly containerId: string;
  readonly request: ExecRequest;
  /** Without streams and terminal, whose other ends the agent has: it may outlive the agent. */
  isDetached = false;
  state: 'created' | 'starting' | 'running' | 'ended' = 'created';
  exitCode: number | undefined;
  process: ExecProcess | undefined;
  /** Of the terminal, when it was asked for before there was one. */
  size: TerminalSize | undefined;

  constructor(id: string, containerId: string, request: ExecRequest) {
    this.id = id;
    this.containerId = containerId;
    this.request = request;
  }

  view(): Exec {
    return {
      id: this.id,
      containerId: this.containerId,
      request: this.request,
      running: this.state === 'starting' || this.state === 'running',
      exitCode: this.exitCode,
      pid: this.state === 'ended' ? 0 : (this.process?.pid ?? 0),
    };
  }
}
