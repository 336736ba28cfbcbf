import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Between two looks, in milliseconds. */
const LOOK = 2_000;
/** Bytes. */
const GROWTH = 8 << 20;
/** Bytes of growth that are worth a pause of the whole agent. */
const MUCH = 64 << 20;
/** Looks at an agent that has nothing to do until what its start has left is collected. */
const SETTLED = 15;
/** The part of the time between two looks in which an agent that has nothing to do works all the same. */
const IDLE = 0.1;

export interface MemoryOptions {
  /** Bytes of memory that the process has. */
  readonly resident?: () => number;
  /** Gives back what is not used. */
  readonly trim: () => Promise<void>;
  /** Finds out what is not used any more, while everything else waits. */
  readonly collect: () => void;
  /** Gives back pages of the program itself. */
  readonly release: () => Promise<void>;
  /** The part of the time since the last call in which the thread has worked. */
  readonly utilization?: () => number;
  readonly interval?: number;
}

/**
 * Gives memory back whenever the process has grown by GROWTH since the last time: what pulls and builds have passed through stays
 * with the C library otherwise, a sixth of all that the agent has. What a large build leaves on the heap is collected when the agent
 * has nothing to do, for nobody would do so before the next build; and so is, once, what the start has left, with the code that it
 * has run. Answers what ends it.
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
 * Collects all garbage of this thread, and gives its pages back to the kernel, which V8 by itself keeps for later. Holds the thread
 * up for about a millisecond for each megabyte of the heap.
 */
export function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as Collect;
    setFlagsFromString('--no-expose-gc');
  }
  collect({ type: 'major', flavor: 'last-resort' });
}
