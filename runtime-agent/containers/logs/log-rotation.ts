import type { Logger } from 'pino';
import type { EngineEvent, EventBus } from '../../events/event-bus.ts';
import type { Container } from '../container.ts';
import type { ContainerIndex } from '../container-index.ts';
import { type LogPlan, planLog } from '../plan/log-options.ts';
import { KeptLog, type RotatedLog } from './kept-log.ts';

/**
 * Rotates the logs of running containers that keep several files of limited size. A single file is truncated by conmon
 * itself, which also truncates a log that has grown far past its limit while no agent runs.
 */
export class LogRotation {
  readonly #index: ContainerIndex;
  readonly #log: Logger;
  readonly #kept = new Map<string, KeptLog>();
  readonly #unsubscribe: () => void;

  constructor(index: ContainerIndex, events: EventBus, log: Logger) {
    this.#index = index;
    this.#log = log;
    this.#unsubscribe = events.subscribe((event) => this.#follow(event));
    for (const container of index.all()) this.#begin(container);
  }

  close(): void {
    this.#unsubscribe();
    for (const kept of this.#kept.values()) kept.close();
    this.#kept.clear();
  }

  #follow({ type, action, id }: EngineEvent): void {
    if (type !== 'container') return;
    if (action === 'die') {
      this.#kept.get(id)?.end();
      this.#kept.delete(id);
    }
    const started = action === 'start' ? this.#index.byId(id) : undefined;
    if (started !== undefined) this.#begin(started);
  }

  #begin(container: Container): void {
    const { id, info, run, paths } = container;
    this.#kept.get(id)?.close();
    this.#kept.delete(id);
    const plan = planLog(info.hostConfig.LogConfig);
    if (run === undefined || !isRotated(plan)) return;
    const exclusively = (work: () => Promise<void>) =>
      container.lock(async () => {
        if (!container.isRemoved) await work();
      });
    const { log: path, control } = paths;
    this.#kept.set(id, new KeptLog({ containerId: id, path, control, plan, log: this.#log, exclusively }));
  }
}

function isRotated(plan: LogPlan): plan is RotatedLog {
  return plan.kind === 'files' && plan.maxSize !== undefined && plan.maxFiles > 1;
}
