import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Milliseconds between two checks. */
const LOOK = 2_000;
/** Growth in bytes after which memory is trimmed. */
const GROWTH = 8 << 20;
/** Growth in bytes that justifies pausing the whole agent. */
const MUCH = 64 << 20;
/** Number of idle checks until the garbage of the start is collected. */
const SETTLED = 15;
/** Maximum utilization of an idle agent between two checks. */
const IDLE = 0.1;

export interface MemoryOptions {
  /** Returns the bytes of memory that the process has. */
  readonly resident?: () => number;
  /** Returns unused memory to the system. */
  readonly trim: () => Promise<void>;
  /** Collects garbage, which blocks everything else. */
  readonly collect: () => void;
  /** Releases pages of the program itself. */
  readonly release: () => Promise<void>;
  /** Returns the utilization of the thread since the last call. */
  readonly utilization?: () => number;
  readonly interval?: number;
}

/**
 * Trims memory whenever the process has grown by GROWTH since the last time: the C library otherwise keeps memory of
 * pulls and builds, a sixth of the agent's total. The heap of a large build is collected when the agent is idle,
 * because nothing else would do so before the next build; the garbage of the start, with its code, is collected once.
 * Returns a stop function.
 */
export function keepMemorySmall({
  resident = process.memoryUsage.rss,
  trim,
  collect,
  release,
  utilization = utilizationOfThread(),
  interval = LOOK,
}: MemoryOptions): () => void {
  let smallest = 0;
  let collected = 0;
  let idleLooks = 0;
  let trimming = false;
  const look = async () => {
    const isIdle = utilization() < IDLE;
    if (trimming) return;
    const now = resident();
    smallest = Math.min(smallest, now);
    collected = collected === 0 ? now : Math.min(collected, now);
    if (isIdle && idleLooks <= SETTLED) idleLooks += 1;
    const collects = isIdle && (idleLooks === SETTLED || now >= collected + MUCH);
    if (now < smallest + GROWTH && !collects) return;
    trimming = true;
    if (collects) collect();
    await trim();
    if (collects) await release();
    smallest = resident();
    if (collects) collected = smallest;
    trimming = false;
  };
  const timer = setInterval(() => void look(), interval).unref();
  return () => clearInterval(timer);
}

function utilizationOfThread(): () => number {
  let last = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    return utilization;
  };
}

type Collect = (options: { readonly type: 'major'; readonly flavor: 'last-resort' }) => void;

let collect: Collect | undefined;

/**
 * Collects all garbage of this thread, and returns its pages to the kernel, which V8 would keep for later. Blocks the
 * thread for about a millisecond per megabyte of heap.
 */
export function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as Collect;
    setFlagsFromString('--no-expose-gc');
  }
  collect({ type: 'major', flavor: 'last-resort' });
}
