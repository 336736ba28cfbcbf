import { EngineError } from '../../errors.ts';
import type { ContainerConfig, HealthConfig } from '../container.ts';

/** When a container is probed, and by which command. Times are milliseconds. */
export interface ProbePlan {
  readonly command: readonly string[];
  readonly interval: number;
  readonly timeout: number;
  /** Failures this soon after the start do not count. */
  readonly startPeriod: number;
  /** Between probes during the start period, until the first that succeeds. */
  readonly startInterval: number;
  readonly retries: number;
}

const SECOND = 1_000_000_000;
const MILLISECOND = 1_000_000;
const DEFAULT = { interval: 30, timeout: 30, startPeriod: 0, startInterval: 5, retries: 3 };

/** The probes of a container; undefined where it has no health check. */
export function probePlan(config: Pick<ContainerConfig, 'Healthcheck' | 'Shell'>): ProbePlan | undefined {
  const { Healthcheck: check, Shell: shell = ['/bin/sh', '-c'] } = config;
  const [kind, ...words] = check?.Test ?? [];
  // As dockerd: what is neither is no check, and one without a command fails at its first probe.
  if (check === undefined || (kind !== 'CMD' && kind !== 'CMD-SHELL')) return undefined;
  const milliseconds = (value: number | undefined, seconds: number) =>
    (value || seconds * SECOND) / MILLISECOND;
  return {
    command: kind === 'CMD' ? words : [...shell, words.join(' ')],
    interval: milliseconds(check.Interval, DEFAULT.interval),
    timeout: milliseconds(check.Timeout, DEFAULT.timeout),
    startPeriod: milliseconds(check.StartPeriod, DEFAULT.startPeriod),
    startInterval: milliseconds(check.StartInterval, DEFAULT.startInterval),
    retries: check.Retries || DEFAULT.retries,
  };
}

/** Throws EngineError 'bad-request'. */
export function validateHealthcheck(check: HealthConfig | undefined): void {
  if (check === undefined) return;
  for (const name of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval'] as const) {
    const value = check[name] ?? 0;
    if (value !== 0 && value < MILLISECOND) refuse(`${name} in Healthcheck cannot be less than 1ms`);
  }
  if ((check.Retries ?? 0) < 0) refuse('Retries in Healthcheck cannot be negative');
}

/** What the container says of its health check, and the image where it does not. */
export function mergeHealthcheck(
  own: HealthConfig | undefined,
  image: Readonly<Record<string, unknown>> | undefined,
): HealthConfig | undefined {
  const inherited = image === undefined ? undefined : readHealthcheck(image);
  if (own === undefined || inherited === undefined) return own ?? inherited;
  return { ...inherited, ...withoutEmpty(own) };
}

/** An image's health check. A value that is not valid is as if it were not there. */
function readHealthcheck(image: Readonly<Record<string, unknown>>): HealthConfig {
  const test = Array.isArray(image.Test) && image.Test.every((word) => typeof word === 'string');
  const numbers = ['Interval', 'Timeout', 'StartPeriod', 'StartInterval', 'Retries'].filter((name) => {
    const value = Number.isSafeInteger(image[name]) ? Number(image[name]) : 0;
    // A shorter time than a client may ask for would have the container probed without a pause.
    return value >= (name === 'Retries' ? 0 : MILLISECOND);
  });
  return withoutEmpty({
    ...(test ? { Test: image.Test as readonly string[] } : {}),
    ...Object.fromEntries(numbers.map((name) => [name, image[name]])),
  });
}

/** Without what is 0 or empty, as dockerd shows it. */
export function withoutEmpty(check: HealthConfig): HealthConfig {
  return Object.fromEntries(
    Object.entries(check).filter(([, value]) => (Array.isArray(value) ? value.length > 0 : value !== 0)),
  );
}

function refuse(message: string): never {
  throw new EngineError('bad-request', message);
}
