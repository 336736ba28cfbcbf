import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds. */
const PATIENCE = 5_000;
const PAUSE = 1;

/**
 * Waits until no connection to a unix socket whose file has the name of `path` waits to be accepted: connect(2) succeeds
 * before the other side knows of it. The name stands for the path because a server may have bound by another one of the
 * same file. Gives up in silence after PATIENCE.
 */
export async function untilAccepted(path: string): Promise<void> {
  const name = basename(path);
  const giveUpAt = performance.now() + PATIENCE;
  while (hasWaiting(await readFile('/proc/net/unix', 'latin1'), name) && performance.now() < giveUpAt) {
    await sleep(PAUSE);
  }
}

/** Lines are `address: references protocol flags type state inode path`; one that waits is 02, connecting, without inode. */
function hasWaiting(table: string, name: string): boolean {
  return table
    .split('\n')
    .some((line) => / 02 +0 /.test(line) && basename(line.slice(line.lastIndexOf(' ') + 1)) === name);
}
