import { EngineError } from '../../errors.ts';
import type { ExecProcess } from './exec-process.ts';
import type { Exec, ExecRequest, TerminalSize } from './execs.ts';

/** An exec in memory; it is not stored. */
export class ExecRecord {
  readonly id: string;
  readonly containerId: string;
  readonly request: ExecRequest;
  /** Whether it has no streams, which end in the agent; then it may outlive the agent. */
  isDetached = false;
  state: 'created' | 'starting' | 'running' | 'ended' = 'created';
  exitCode: number | undefined;
  failure: string | undefined;
  process: ExecProcess | undefined;
  /** Terminal size that was set before the start. */
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
      ...(this.failure !== undefined && { failure: this.failure }),
      pid: this.state === 'ended' ? 0 : (this.process?.pid ?? 0),
    };
  }
}

/** Maximum execs that are remembered while they do not run. */
const KEPT = 1_000;
/** Maximum characters of remembered commands and variables. */
const MAX_CHARACTERS = 8 << 20;

/** The running execs, and the latest of those that have exited or were never started. */
export class ExecRecords {
  readonly #byId = new Map<string, ExecRecord>();
  readonly #limit: number;
  #characters = 0;

  constructor(limit = KEPT) {
    this.#limit = limit;
  }

  add(record: ExecRecord): void {
    this.#byId.set(record.id, record);
    this.#characters += charactersOf(record);
    let surplus = this.#byId.size - this.#limit;
    if (surplus <= 0 && this.#characters <= MAX_CHARACTERS) return;
    // In order of creation; running ones stay, so there may be more than the limit.
    for (const known of this.#byId.values()) {
      if (surplus <= 0 && this.#characters <= MAX_CHARACTERS) return;
      const { id, state } = known;
      if (id === record.id || state === 'running' || state === 'starting') continue;
      this.#byId.delete(id);
      this.#characters -= charactersOf(known);
      surplus -= 1;
    }
  }

  /** Throws EngineError 'not-found'. */
  find(id: string): ExecRecord {
    const record = this.#byId.get(id);
    if (record === undefined) throw noSuchExec(id);
    return record;
  }

  all(): readonly ExecRecord[] {
    return [...this.#byId.values()];
  }
}

function charactersOf({ request: { cmd, env } }: ExecRecord): number {
  return [...cmd, ...env].reduce((sum, text) => sum + text.length, 0);
}

export function noSuchExec(id: string): EngineError {
  return new EngineError('not-found', `No such exec instance: ${id.slice(0, 300)}`);
}
