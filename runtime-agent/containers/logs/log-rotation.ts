import type { Logger } from 'pino';
import type { EngineEvent, EventBus } from '../../events/event-bus.ts';
import type { ContainerIndex } from '../container-index.ts';
import type { LiveContainer } from '../live-container.ts';
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
    for (const live of index.all()) this.#begin(live);
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
    const live = action === 'start' ? this.#index.byId(id) : undefined;
    if (live !== undefined) this.#begin(live);
  }

  #begin(live: LiveContainer): void {
    this.#kept.get(live.id)?.close();
    this.#kept.delete(live.id);
    const plan = planLog(live.container.hostConfig.LogConfig);
    if (live.run === undefined || !isRotated(plan)) return;
    const { log: path, control } = live.paths;
    const exclusively = (work: () => Promise<void>) =>
      live.mutex.run(async () => {
        if (this.#index.byId(live.id) === live) await work();
      });
    const options = { containerId: live.id, path, control, plan, log: this.#log, exclusively };
    this.#kept.set(live.id, new KeptLog(options));
  }
}

function isRotated(plan: LogPlan): plan is RotatedLog {
  return plan.kind === 'files' && plan.maxSize !== undefined && plan.maxFiles > 1;
}
