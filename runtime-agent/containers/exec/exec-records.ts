import { EngineError } from '../../errors.ts';
import type { ExecRecord } from './exec-record.ts';

/** Of those that do not run, so many are remembered. */
const KEPT = 1_000;

/** The commands in containers: all that run, and the last ones that have ended or were never started. */
export class ExecRecords {
  readonly #byId = new Map<string, ExecRecord>();
  readonly #limit: number;

  constructor(limit = KEPT) {
    this.#limit = limit;
  }

  add(record: ExecRecord): void {
    this.#byId.set(record.id, record);
    let surplus = this.#byId.size - this.#limit;
    if (surplus <= 0) return;
    // In the order of their making; what runs stays, so there may be more than the limit.
    for (const { id, state } of this.#byId.values()) {
      if (surplus <= 0) return;
      if (id === record.id || state === 'running' || state === 'starting') continue;
      this.#byId.delete(id);
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

export function noSuchExec(id: string): EngineError {
  return new EngineError('not-found', `No such exec instance: ${id.slice(0, 300)}`);
}
