import { CLAIM_TIME } from '../content-store.ts';
import type { GarbagePolicy } from './collect-garbage.ts';

const HOUR = 60 * 60 * 1000;

/** Milliseconds for which garbage is kept unless told otherwise. */
export const DEFAULT_GRACE = 24 * HOUR;

/** The policy for a grace period in milliseconds. Running uploads and pushes are safe whatever it is. */
export function garbagePolicy(graceMs: number, untagged: boolean): GarbagePolicy {
  return {
    graceMs,
    untagged,
    orphanAgeMs: Math.max(graceMs, 2 * CLAIM_TIME),
    idleUploadMs: 24 * HOUR,
  };
}
