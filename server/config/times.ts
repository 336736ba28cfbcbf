import { ConfigError } from '../../lib/settings/config-error.ts';
import { DEFAULT_GRACE, DEFAULT_UPLOAD_AGE } from '../../storage/gc/garbage-policy.ts';
import { parseDuration } from './duration.ts';

/** Maximum interval of Node's timers: 2^31 milliseconds. */
const LONGEST_INTERVAL = 24 * 24 * 60 * 60 * 1000;

const LONGEST_STALL = 60 * 60 * 1000;

const LONGEST_DELAY = 5 * 60 * 1000;

/** Parses the milliseconds between two garbage collections; undefined for `off`. Throws ConfigError. */
export function parseInterval(text: string): number | undefined {
  if (text === 'off') return undefined;
  const interval = parseDuration(text);
  if (interval === undefined || interval < 60_000 || interval > LONGEST_INTERVAL) {
    throw new ConfigError(
      `"${text}" is not an interval of garbage collections: write off, or 1m to 24d, such as 24h`,
    );
  }
  return interval;
}

/** Parses the grace period of garbage in milliseconds. Throws ConfigError. */
export function parseGrace(text: string | undefined): number {
  const grace = text === undefined ? DEFAULT_GRACE : parseDuration(text);
  if (grace === undefined) {
    throw new ConfigError(`"${text}" is not a grace period: write a number and s, m, h or d, such as 24h`);
  }
  return grace;
}

/** Returns the age in milliseconds at which idle uploads are deleted. Throws ConfigError. */
export function parseUploadAge(text: string | undefined): number {
  const age = text === undefined ? DEFAULT_UPLOAD_AGE : parseDuration(text);
  if (age === undefined) {
    throw new ConfigError(`"${text}" is not an age of uploads: write a number and s, m, h or d, such as 1h`);
  }
  return age;
}

/** Parses the retention of the audit log in milliseconds. Throws ConfigError. */
export function parseRetention(text: string): number {
  const retention = parseDuration(text);
  if (retention === undefined || retention < 60_000) {
    throw new ConfigError(`"${text}" is not a retention of the audit log: write 1m or more, such as 90d`);
  }
  return retention;
}

/**
 * Parses the milliseconds without a turn of the event loop after which the process ends; undefined for `off`. Throws
 * ConfigError.
 */
export function parseWatchdog(text: string): number | undefined {
  if (text === 'off') return undefined;
  const limit = parseDuration(text);
  if (limit === undefined || limit < 1000 || limit > LONGEST_STALL) {
    throw new ConfigError(`"${text}" is not a limit of the watchdog: write off, or 1s to 1h, such as 10s`);
  }
  return limit;
}

/** Parses the milliseconds from the signal to the end. Throws ConfigError. */
export function parseDelay(text: string): number {
  const delay = parseDuration(text);
  if (delay === undefined || delay > LONGEST_DELAY) {
    throw new ConfigError(`"${text}" is not a shutdown delay: write 0s to 5m, such as 5s`);
  }
  return delay;
}
