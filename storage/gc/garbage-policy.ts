import { CLAIM_TIME } from '../content-store.ts';
import type { GarbagePolicy } from './collect-garbage.ts';

const HOUR = 60 * 60 * 1000;

/** Default milliseconds for which garbage is kept. */
export const DEFAULT_GRACE = 24 * HOUR;

/** Default age at which idle uploads are deleted, ms. */
export const DEFAULT_UPLOAD_AGE = 24 * HOUR;

/**
 * Returns the policy for a grace period in milliseconds. Running uploads are always safe. A push finds everything that
 * it has checked or pushed before if it ends within the grace period less two minutes (TOUCH_INTERVAL, once in the
 * catalog and once in the server's memory). After that it is refused if an image lacks content; an index may lack
 * members (a sparse index), which a Warning reports.
 */
export function garbagePolicy(
  graceMs: number,
  untagged: boolean,
  idleUploadMs: number = DEFAULT_UPLOAD_AGE,
): GarbagePolicy {
  return {
    graceMs,
    untagged,
    orphanAgeMs: Math.max(graceMs, 2 * CLAIM_TIME),
    historyMs: 90 * 24 * HOUR,
    idleUploadMs,
  };
}
