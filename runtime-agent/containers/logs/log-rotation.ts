import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Logger } from 'pino';
import type { EngineEvent, EventBus } from '../../events/event-bus.ts';
import type { LiveContainer } from '../lifecycle/live-container.ts';
import type { ContainerRegistry } from '../lifecycle/registry.ts';
import { type LogPlan, planLog } from '../plan/log-options.ts';
import { tellMonitor } from '../runtime/monitor-control.ts';
import { rotateLogFiles } from './log-files.ts';

/** A log that grows fast is not looked at more often than this (milliseconds). */
const PAUSE = 20;
/** What conmon is told to do with a log that was renamed. */
const REOPEN = '2 0 0';

type RotatedLog = Extract<LogPlan, { kind: 'files' }> & { readonly maxSize: number };

/**
 * Rotates the logs of containers that keep several files of a limited size, while they run. Those that keep one need nobody:
 * conmon begins that anew by itself, and it does so too when a log has grown far past its limit without an agent.
 */
export class LogRotation {
  readonly #registry: ContainerRegistry;
  readonly #log: Logger;
  readonly #watched = new Map<string, () => void>();
  readonly #unsubscribe: () => void;

  constructor(registry: ContainerRegistry, events: EventBus, log: Logger) {
    this.#registry = registry;
    this.#log = log;
    this.#unsubscribe = events.subscribe((event) => this.#follow(event));
    for (const live of registry.all()) this.#begin(live);
  }

  close(): void {
    this.#unsubscribe();
    for (const id of this.#watched.keys()) this.#end(id);
  }

  #follow({ type, action, id }: EngineEvent): void {
    if (type !== 'container') return;
    if (action === 'die') this.#end(id);
    const live = action === 'start' ? this.#registry.byId(id) : undefined;
    if (live !== undefined) this.#begin(live);
  }

  #begin(live: LiveContainer): void {
    this.#end(live.id);
    const plan = planLog(live.container.hostConfig.LogConfig);
    if (live.run === undefined || !isRotated(plan)) return;
    let timer: NodeJS.Timeout | undefined;
    let ended = false;
    const look = () => {
      timer ??= setTimeout(async () => {
        await this.#look(live, plan);
        timer = undefined;
        // It may have grown while it was looked at.
        if (!ended && (await isFull(live.paths.log, plan))) look();
      }, PAUSE).unref();
    };
    const name = basename(live.paths.log);
    let watcher: FSWatcher;
    try {
      watcher = watch(live.paths.home, { persistent: false }, (_, changed) => {
        if (changed === name) look();
      });
    } catch (error) {
      this.#log.warn(
        { container: live.id, err: error },
        'a log cannot be watched; conmon alone keeps it small',
      );
      return;
    }
    watcher.on('error', () => watcher.close());
    this.#watched.set(live.id, () => {
      ended = true;
      watcher.close();
      clearTimeout(timer);
    });
    look();
  }

  #end(id: string): void {
    this.#watched.get(id)?.();
    this.#watched.delete(id);
  }

  async #look(live: LiveContainer, plan: RotatedLog): Promise<void> {
    try {
      const size = await sizeOf(live.paths.log);
      // An agent that was killed between the two steps left the log renamed.
      if (size !== undefined && size < plan.maxSize) return;
      if (size !== undefined) await rotateLogFiles(live.paths.log, plan.maxFiles);
      await tellMonitor(live.paths.control, REOPEN);
    } catch (error) {
      this.#log.error({ container: live.id, err: error }, 'the log of a container could not be rotated');
    }
  }
}

function isRotated(plan: LogPlan): plan is RotatedLog {
  return plan.kind === 'files' && plan.maxSize !== undefined && plan.maxFiles > 1;
}

async function isFull(path: string, plan: RotatedLog): Promise<boolean> {
  return ((await sizeOf(path)) ?? 0) >= plan.maxSize;
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
