import type { Logger } from 'pino';
import type { DiskReserve } from '../../storage/disk-reserve.ts';
import { repeat } from './repeat.ts';

const RHYTHM = { first: 10_000, every: 10_000 };

/** Takes the reserve of space again when there is some, until `signal` aborts; tells the log when that changes. */
export function restoreReserve(reserve: DiskReserve, signal: AbortSignal, log: Logger): Promise<void> {
  let whole = true;
  const restore = async () => {
    const before = whole;
    whole = await reserve.restore();
    if (before && !whole) {
      log.error('the device is full: nothing can be pushed until there is space, deletes and logins go on');
    }
    if (!before && whole) log.info('the device has space again: pushes are taken');
  };
  return repeat(restore, RHYTHM, signal, (error) =>
    log.error({ err: error }, 'the reserve of space could not be looked at'),
  );
}
