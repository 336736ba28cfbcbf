import { appendFileSync, readFileSync, writeSync } from 'node:fs';
import type { Debugger } from 'node:inspector';
import { Worker, workerData } from 'node:worker_threads';
import { exitProcess } from '../linux/exit-process.ts';
import { StallClock, type ThreadReading } from './stall-clock.ts';
import { STALL_EXIT_CODE, type WatchOrders } from './watch-orders.ts';
import { WorkUnderWay } from './work-under-way.ts';

/** The thread that watches the main thread. It never waits for that thread: they share only memory. */

/**
 * Minimum milliseconds for JavaScript to stop for its stack, as counted by a StallClock: only while it has a processor.
 */
const PATIENCE = 3_000;
const PATIENCE_LOOKS = 20;
/** Multiple of that time by the wall clock. */
const OVERLOAD_FACTOR = 10;
/** Milliseconds for the log and the record, which can block, such as on a pipe that nobody reads. */
const LAST_WORDS = 5_000;
/** Maximum names of work in the log. */
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

/**
 * Returns a function that reports whether the main thread has had `patience` milliseconds; called twenty times in that
 * time.
 */
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

/** Ends the process after `ms`, whatever blocks its threads. */
function endAfter(ms: number): void {
  new Worker(new URL('end-worker.ts', import.meta.url), { workerData: ms });
}

function tryTo(step: () => void): void {
  try {
    step();
  } catch {
    // The process ends anyway.
  }
}

/**
 * Stops the JavaScript of the main thread for good, and returns its stack, innermost call first; an empty list if the
 * thread is in native code and has not stopped when `isOverdue`, called every `interval` milliseconds, returns true.
 * Must be called in another thread.
 */
async function readMainStack(isOverdue: () => boolean, interval: number): Promise<readonly string[]> {
  const { Session } = await import('node:inspector');
  const session = new Session();
  const files = new Map<string, string>();
  return await new Promise((resolve) => {
    setInterval(() => isOverdue() && resolve([]), interval);
    session.on('Debugger.scriptParsed', ({ params }) => {
      files.set(params.scriptId, params.url);
    });
    session.on('Debugger.paused', ({ params }) => {
      resolve(params.callFrames.map((frame) => describe(frame, files)));
    });
    session.connectToMainThread();
    session.post('Debugger.enable');
    session.post('Debugger.pause');
  });
}

function describe(
  { functionName, location }: Debugger.CallFrame,
  files: ReadonlyMap<string, string>,
): string {
  const file = files.get(location.scriptId) || 'eval';
  const place = `${file}:${location.lineNumber + 1}:${(location.columnNumber ?? 0) + 1}`;
  return `at ${functionName || '(anonymous)'} (${place})`;
}

const NANOSECONDS = 1e6;

/** Reads the state of this process's main thread from proc(5); undefined on systems without it. */
function readMainThread(): ThreadReading | undefined {
  try {
    const stat = read('stat');
    // The name, in parentheses, may contain spaces.
    const state = stat.charAt(stat.lastIndexOf(')') + 2);
    const traced = !/^TracerPid:\t0$/m.test(read('status'));
    return { state, traced, queued: queued() };
  } catch {
    return undefined;
  }
}

/**
 * Describes where the main thread is in the kernel, for the log: its state, and the calls in which it sleeps, as far as
 * this process may know.
 */
function describeMainThread(): Readonly<Record<string, string>> {
  const entries = (['wchan', 'stack'] as const).map((name) => [name, attempt(name)] as const);
  return Object.fromEntries([
    ['state', readMainThread()?.state ?? ''],
    ...entries.filter(([, text]) => text !== '' && text !== '0'),
  ]);
}

/** Kernels that do not keep these statistics have no such file. */
function queued(): number {
  return Number(attempt('schedstat').split(' ')[1] ?? 0) / NANOSECONDS;
}

function attempt(name: string): string {
  try {
    return read(name).trim();
  } catch {
    return '';
  }
}

function read(name: string): string {
  return readFileSync(`/proc/self/task/${process.pid}/${name}`, 'latin1');
}
