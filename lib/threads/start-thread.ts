import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { getEnvironmentData, setEnvironmentData, Worker, type WorkerOptions } from 'node:worker_threads';

/** Key of the flag that a thread sets when it has loaded. */
const LOADED = 'berth.thread-loaded';
/** Maximum milliseconds that the exit of the process waits for a loading thread. */
const LONGEST_LOAD = 10_000;

type Flag = Int32Array<SharedArrayBuffer>;

/** Flags of the threads that are loading. */
const loading = new Map<Worker, Flag>();

/**
 * Starts a thread that runs `file`, does not keep the process alive, and has a small heap by default: its memory is
 * shared or off-heap. It is ended by `endThread`, or by the exit of the process, which waits until the thread has
 * loaded: ending a thread while it loads native code aborts the process. A thread does not inherit the compile cache;
 * without it, it would load Node's TypeScript compiler, which takes 10 MB.
 */
export function startThread(
  file: URL,
  workerData?: unknown,
  more: Pick<WorkerOptions, 'trackUnmanagedFds' | 'resourceLimits'> = {},
): Worker {
  const flag: Flag = new Int32Array(new SharedArrayBuffer(4));
  setEnvironmentData(LOADED, flag.buffer);
  const worker = new Worker(programOf(file), {
    resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 },
    ...more,
    workerData,
    eval: true,
  });
  setEnvironmentData(LOADED, undefined);
  if (loading.size === 0) process.on('exit', awaitLoads);
  loading.set(worker, flag);
  worker.once('exit', () => raise(flag));
  void raised(flag).then(() => forget(worker));
  worker.unref();
  return worker;
}

/** Ends a thread of `startThread` at once, or as soon as it has loaded, even when it is blocked. */
export async function endThread(worker: Worker): Promise<void> {
  const flag = loading.get(worker);
  if (flag !== undefined) {
    worker.ref();
    await raised(flag);
  }
  await worker.terminate();
}

/**
 * Called by a thread whose program never returns, when it has loaded all its native code. A program that returns has
 * loaded then.
 */
export function threadHasLoaded(): void {
  const memory = getEnvironmentData(LOADED);
  if (memory instanceof SharedArrayBuffer) raise(new Int32Array(memory));
}

function programOf(file: URL): string {
  const cache = getCompileCacheDir();
  // Node's folder is a subfolder, by version, of the configured folder.
  const folder = cache && JSON.stringify(dirname(cache));
  const enable = folder ? `require('node:module').enableCompileCache(${folder});` : '';
  const program = JSON.stringify(file.href);
  const own = JSON.stringify(import.meta.url);
  return `${enable} import(${program}).finally(async () => (await import(${own})).threadHasLoaded());`;
}

function raise(flag: Flag): void {
  Atomics.store(flag, 0, 1);
  Atomics.notify(flag, 0);
}

async function raised(flag: Flag): Promise<void> {
  await Atomics.waitAsync(flag, 0, 0).value;
}

function forget(worker: Worker): void {
  loading.delete(worker);
  if (loading.size === 0) process.off('exit', awaitLoads);
}

function awaitLoads(): void {
  for (const flag of loading.values()) Atomics.wait(flag, 0, 0, LONGEST_LOAD);
}
