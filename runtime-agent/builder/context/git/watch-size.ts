import { setTimeout as sleep } from 'node:timers/promises';
import { runProcess } from '../../../../lib/linux/process/run-process.ts';
import { EngineError } from '../../../errors.ts';
import type { ArchiveLimits } from '../receive-archive.ts';

/** Milliseconds between two checks. */
const PAUSE = 500;
/** Copies of each file: one in git's own form, and older versions if a shallow fetch is impossible. */
const COPIES = 3;
/** Bytes and files of git itself. */
const OVERHEAD = { size: 64 << 20, entries: 10_000 };

/**
 * Runs `work`, and aborts it when the folder has grown far beyond the limits of a context: git reports no submodule's
 * size before it writes it. Rejects as `work` does, or with EngineError 'bad-request' beyond the limits.
 */
export async function whileWithin<T>(
  folder: string,
  limits: ArchiveLimits,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const exceeded = new AbortController();
  const ended = new AbortController();
  const watching = watch(folder, limits, ended.signal).then(
    (reason) => exceeded.abort(reason),
    () => undefined,
  );
  try {
    return await work(AbortSignal.any([signal, exceeded.signal]));
  } finally {
    ended.abort();
    await watching;
  }
}

/** Resolves with an error when a folder is too large. */
async function watch(folder: string, limits: ArchiveLimits, signal: AbortSignal): Promise<EngineError> {
  for (;;) {
    await sleep(PAUSE, undefined, { signal });
    const [bytes, entries] = [
      await diskUsage(['--block-size=1'], folder, signal),
      await diskUsage(['--inodes'], folder, signal),
    ];
    if (bytes > COPIES * limits.size + OVERHEAD.size) {
      return new EngineError('bad-request', `the git repository is larger than ${limits.size} bytes`);
    }
    if (entries > COPIES * limits.entries + OVERHEAD.entries) {
      return new EngineError('bad-request', `the git repository has more than ${limits.entries} files`);
    }
  }
}

/** Files that vanish meanwhile are ignored. */
async function diskUsage(options: readonly string[], folder: string, signal: AbortSignal): Promise<number> {
  const { stdout } = await runProcess('du', ['--summarize', ...options, folder], { signal });
  return Number.parseInt(stdout, 10);
}
