import { readFileSync } from 'node:fs';
import { url as inspectorUrl } from 'node:inspector';
import { endThread, startThread } from '../threads/start-thread.ts';
import type { LastLine, WatchOrders } from './watch-orders.ts';
import type { WorkUnderWay } from './work-under-way.ts';

/** Number of checks within the limit. */
const LOOKS = 10;

export interface WatchdogOptions {
  /** Milliseconds without a turn of the event loop after which the process ends. */
  readonly limit: number;
  /** Running work, for the log. */
  readonly work: WorkUnderWay;
  /** The file that counts the ends (`countEnds`). */
  readonly record: string;
  /** Format of the log's last line; undefined if the log is off. */
  readonly log?: LastLine | undefined;
  /** Called when the watchdog itself fails. The process continues without it. */
  readonly onFailure: (error: Error) => void;
}

/**
 * Watches this thread's event loop from another thread. When the loop has not turned for `limit` milliseconds that it
 * could have used (see StallClock), the log gets the stack and the work in progress, `record` gets a line, and the
 * process ends with STALL_EXIT_CODE, so that its supervisor starts it again. Returns a function that stops the
 * watchdog.
 */
export function startWatchdog({ limit, work, record, log, onFailure }: WatchdogOptions): () => void {
  const interval = limit / LOOKS;
  const beat = () => work.beat(inspectorUrl() !== undefined);
  beat();
  const timer = setInterval(beat, interval).unref();
  const orders: WatchOrders = { memory: work.memory, limit, interval, record, log };
  const thread = startThread(new URL('watch-worker.ts', import.meta.url), orders);
  thread.on('error', onFailure);
  return () => {
    clearInterval(timer);
    void endThread(thread);
  };
}

/** Counts the processes that the watchdog has ended, from its record. */
export function countEnds(record: string): number {
  try {
    return readFileSync(record, 'latin1').split('\n').length - 1;
  } catch {
    return 0;
  }
}
