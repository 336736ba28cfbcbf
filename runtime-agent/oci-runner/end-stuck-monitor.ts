import type { Libc } from '../../lib/linux/libc.ts';
import { killMonitor } from './kill-monitor.ts';
import type { RunPaths } from './run-paths.ts';
import type { RuntimeCommands } from './runtime-commands.ts';

/** Between two looks at a monitor that has not reported, in milliseconds. */
const LOOK = 2_000;
/** Looks until a runtime that says nothing is given up. */
const MOST_LOOKS = 30;
/** Looks at a container that is made until its monitor, which reports within milliseconds of that, is given up. */
const LOOKS_AT_MADE = 5;

export interface WatchedMonitor {
  readonly libc: Libc;
  readonly commands: Pick<RuntimeCommands, 'status'>;
  readonly paths: RunPaths;
}

/**
 * Kills conmon when it cannot report any more. A runtime that was killed after it had made the container leaves conmon waiting
 * for the end of an error stream that the container's own process holds; a runtime may also hang. Answers what ends the watch.
 */
export function endStuckMonitor({ libc, commands, paths }: WatchedMonitor): () => void {
  let looks = 0;
  let looksAtMade = 0;
  let isOver = false;
  const look = async () => {
    looks += 1;
    const made = (await commands.status(paths.id).catch(() => undefined)) === 'created';
    if (isOver) return;
    looksAtMade = made ? looksAtMade + 1 : 0;
    // On a host that is overloaded conmon may stand still for a while.
    if (looksAtMade >= LOOKS_AT_MADE || looks === MOST_LOOKS)
      await killMonitor(libc, paths).catch(() => undefined);
    timer = setTimeout(look, LOOK).unref();
  };
  let timer = setTimeout(look, LOOK).unref();
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}
