import { ConfigError } from '../../../lib/settings/config-error.ts';
import { parseDuration } from '../../config/duration.ts';
import { appPath } from './door.ts';
import { type FleetCommand, type FleetInput, runFleetCommand } from './fleet-command.ts';
import { ROLLOUT_EXIT } from './rollout-progress.ts';
import { waitForRollout } from './wait-for-rollout.ts';

/** Options of commands that make a release. */
export const ROLLOUT_OPTIONS = {
  wait: { type: 'boolean' },
  'no-wait': { type: 'boolean' },
  timeout: { type: 'string' },
} as const;

/** The registry's default timeout, ms. */
const USUAL_TIMEOUT = 5 * 60 * 1000;

/** Returns the timeout of --timeout in the form of request bodies; {} by default. Throws ConfigError. */
export function timeoutOf({ option }: FleetInput): { readonly timeout?: number } {
  const text = option('timeout');
  if (text === undefined) return {};
  const time = parseDuration(text);
  if (time === undefined || time < 1000) {
    throw new ConfigError(`"${text}" is not a valid --timeout: write a time such as 90s or 10m`);
  }
  return { timeout: time / 1000 };
}

/** Waits for the end of a release that a command has created, unless --no-wait is given. Returns the exit code. */
export async function finishRelease(input: FleetInput, app: string, release: number): Promise<number> {
  if (input.flag('no-wait') && !input.flag('wait')) {
    input.print(`${app}: release ${release}`);
    return 0;
  }
  const { timeout } = timeoutOf(input);
  const interrupted = new AbortController();
  const onInterrupt = () => interrupted.abort();
  process.once('SIGINT', onInterrupt);
  try {
    return await waitForRollout(await input.api(), {
      app,
      release,
      timeout: timeout === undefined ? USUAL_TIMEOUT : timeout * 1000,
      signal: interrupted.signal,
    });
  } finally {
    process.off('SIGINT', onInterrupt);
  }
}

async function makeRelease(
  input: FleetInput,
  what: 'rollback' | 'restart' | 'scale',
  body: object,
): Promise<number> {
  const [app = ''] = input.words;
  const api = await input.api();
  const made = await api.call<{ release: number }>('POST', appPath(app, what), {
    body: { ...body, ...timeoutOf(input) },
  });
  return finishRelease(input, app, made.release);
}

const ROLLBACK: FleetCommand = {
  usage: 'rollback APP [RELEASE]',
  options: ROLLOUT_OPTIONS,
  refused: ROLLOUT_EXIT.refused,
  run: (input) => {
    const [, release] = input.words;
    return makeRelease(input, 'rollback', release === undefined ? {} : { to: numberOf(release, 'RELEASE') });
  },
};

const RESTART: FleetCommand = {
  usage: 'restart APP [SERVICE]',
  options: ROLLOUT_OPTIONS,
  refused: ROLLOUT_EXIT.refused,
  run: (input) => {
    const [, service] = input.words;
    return makeRelease(input, 'restart', service === undefined ? {} : { service });
  },
};

const SCALE: FleetCommand = {
  usage: 'scale APP SERVICE=NUMBER',
  options: ROLLOUT_OPTIONS,
  refused: ROLLOUT_EXIT.refused,
  run: (input) => {
    const [, text = ''] = input.words;
    const equals = text.lastIndexOf('=');
    if (equals < 1) throw new ConfigError('write: berth scale APP SERVICE=NUMBER, such as web=3');
    const replicas = numberOf(text.slice(equals + 1), 'NUMBER');
    return makeRelease(input, 'scale', { service: text.slice(0, equals), replicas });
  },
};

/** `berth rollback`: a new release with the content of an older one. */
export function rollback(args: readonly string[]): Promise<number> {
  return runFleetCommand(ROLLBACK, args);
}

/** `berth restart`: replaces instances. */
export function restart(args: readonly string[]): Promise<number> {
  return runFleetCommand(RESTART, args);
}

/** `berth scale`: changes the number of a service's instances. */
export function scale(args: readonly string[]): Promise<number> {
  return runFleetCommand(SCALE, args);
}

/** Parses a non-negative integer. Throws ConfigError. */
export function numberOf(text: string, what: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new ConfigError(`"${text}" is not a valid ${what}: write a whole number`);
}
