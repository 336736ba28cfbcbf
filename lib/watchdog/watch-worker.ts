import { appendFileSync, writeSync } from 'node:fs';
import { Worker, workerData } from 'node:worker_threads';
import { exitProcess } from '../linux/exit-process.ts';
import { readMainStack } from './read-main-stack.ts';
import { describeMainThread, readMainThread } from './read-thread.ts';
import { StallClock } from './stall-clock.ts';
import { STALL_EXIT_CODE, type WatchOrders } from './watch-orders.ts';
import { WorkUnderWay } from './work-under-way.ts';

/** The thread that watches the main thread. It never waits for it: all that they share is memory. */

/** Minimum time for JavaScript to stop for its stack, ms, as a StallClock counts it: only while it has a processor. */
const PATIENCE = 3_000;
const PATIENCE_LOOKS = 20;
/** The same by the wall clock, in multiples of it. */
const OVERLOAD_FACTOR = 10;
/** Milliseconds for the log and the record, which can hang, such as on a pipe that nobody reads. */
const LAST_WORDS = 5_000;
/** Names of work in the log. */
const NAMES = 20;

const { memory, limit, interval, record, log } = workerData as WatchOrders;
const work = new WorkUnderWay(memory);
const clock = new StallClock(limit, interval);
let last = performance.now();
let ending = false;

setInterval(() => {
  if (ending) return;
  const now = performance.now();
  const elapsed = now - last;
  last = now;
  ending = clock.look({ beats: work.beats, elapsed, read: readMain });
  if (ending) void end();
}, interval);

function readMain() {
  const reading = readMainThread();
  if (!work.debugged) return reading;
  return { state: '', queued: 0, ...reading, traced: true };
}

async function end(): Promise<void> {
  const counted = clock.counted;
  const patience = Math.max(PATIENCE, limit);
  endAfter(patience * OVERLOAD_FACTOR);
  try {
    const now = new Date();
    const thread = describeMainThread();
    const names = work.list();
    const stack = await readMainStack(overdueAfter(patience), patience / PATIENCE_LOOKS);
    endAfter(LAST_WORDS);
    tryTo(() => appendFileSync(record, `${now.toISOString()}\n`, { mode: 0o600 }));
    if (log !== undefined) {
      const line = JSON.stringify({
        ...log.fields,
        time: log.isoTime ? now.toISOString() : now.getTime(),
        msg: `the event loop has not turned for ${Math.round(counted / 100) / 10} s: the watchdog ends the process`,
        stack: stack.length === 0 ? 'in native code' : stack.join('\n'),
        thread,
        serving: names.slice(0, NAMES).map(({ name, since }) => `${name} (${now.getTime() - since} ms)`),
        ...(names.length > NAMES && { notShown: names.length - NAMES }),
      });
      tryTo(() => writeSync(2, `${line}\n`));
    }
  } finally {
    exitProcess(STALL_EXIT_CODE);
  }
}

/** Returns a function that says whether the main thread has had `patience` milliseconds, asked twenty times in that time. */
function overdueAfter(patience: number): () => boolean {
  const waiting = new StallClock(patience, patience / PATIENCE_LOOKS);
  let asked = performance.now();
  return () => {
    const now = performance.now();
    const elapsed = now - asked;
    asked = now;
    return waiting.look({ beats: 0, elapsed, read: readMainThread });
  };
}

/** Ends the process after `ms`, whatever its threads hang in. */
function endAfter(ms: number): void {
  new Worker(new URL('end-worker.ts', import.meta.url), { workerData: ms });
}

function tryTo(step: () => void): void {
  try {
    step();
  } catch {
    // The process ends all the same.
  }
}
