import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { Worker, type WorkerOptions } from 'node:worker_threads';

/**
 * Starts a thread that runs `file`, keeps no process alive, and has a small heap unless told otherwise: its memory is shared or
 * outside of it.
 * A thread does not take the process's cache of compiled modules over by itself; without it, it would load Node's
 * compiler of TypeScript, which takes 10 MB.
 */
export function startThread(
  file: URL,
  workerData?: unknown,
  more: Pick<WorkerOptions, 'trackUnmanagedFds' | 'resourceLimits'> = {},
): Worker {
  const cache = getCompileCacheDir();
  const options = {
    resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 },
    ...more,
    workerData,
  };
  // Node's folder is one for its version in the folder that it was given.
  const folder = cache && JSON.stringify(dirname(cache));
  const code = `require('node:module').enableCompileCache(${folder}); import(${JSON.stringify(file.href)});`;
  const worker =
    cache === undefined ? new Worker(file, options) : new Worker(code, { ...options, eval: true });
  worker.unref();
  return worker;
}
