import { isDigest } from '../oci/digest.ts';
import { isRepositoryName } from '../oci/reference.ts';
import type { HostMessage } from './messages.ts';
import { HostInputError, integerOf, objectOf, plainText, readFacts, textOf } from './read-host.ts';
import { APP_PHASES, type AppReport, type InstanceReport } from './report.ts';

/** Maximum apps of one message. */
const MAX_APPS = 1_000;
/** Maximum instances in the report of an app. */
const MAX_INSTANCES = 2_000;
const MAX_JOBS = 100;
/** Maximum characters of a reason. */
const LONGEST_REASON = 1_000;

const STATES = ['created', 'running', 'restarting', 'paused', 'draining', 'exited'] as const;
const HEALTH = ['starting', 'healthy', 'unhealthy'] as const;

/**
 * Parses a message of an untrusted host: the result has only the fields of HostMessage, all of them bounded. Throws
 * HostInputError.
 */
export function readHostMessage(text: string): HostMessage {
  const message = objectOf(parse(text), 'a message');
  switch (message.type) {
    case 'hello':
      return {
        type: 'hello',
        facts: readFacts(message.facts),
        generation: integerOf(message.generation, 'generation'),
      };
    case 'report':
      return { type: 'report', ...readReports(message) };
    case 'resync':
      return { type: 'resync' };
    default:
      throw new HostInputError('type must be hello, report or resync');
  }
}

/** Parses the reports of `POST /fleet/reports`, or of a message. Throws HostInputError. */
export function readReports(value: unknown): {
  readonly reports: readonly AppReport[];
  readonly gone: readonly string[];
} {
  const { reports = [], gone = [] } = objectOf(value, 'the request');
  return {
    reports: listOf(reports, 'reports', MAX_APPS).map(readReport),
    gone: listOf(gone, 'gone', MAX_APPS).map((app) => appName(app)),
  };
}

function readReport(value: unknown): AppReport {
  const report = objectOf(value, 'a report');
  return {
    app: appName(report.app),
    release: integerOf(report.release, 'release'),
    attempt: integerOf(report.attempt, 'attempt'),
    phase: oneOf(APP_PHASES, report.phase, 'phase'),
    ...(report.reason !== undefined && { reason: reasonOf(report.reason) }),
    instances: listOf(report.instances, 'instances', MAX_INSTANCES).map(readInstance),
    jobs: readJobs(report.jobs),
    prefetched: report.prefetched === true,
  };
}

function readInstance(value: unknown): InstanceReport {
  const instance = objectOf(value, 'an instance');
  const { image, exitCode, startedAt } = instance;
  if (typeof image !== 'string' || !isDigest(image)) throw new HostInputError('image must be a digest');
  return {
    service: textOf(instance.service, 'service'),
    instance: integerOf(instance.instance, 'instance'),
    release: integerOf(instance.release, 'release'),
    container: textOf(instance.container, 'container'),
    image,
    state: oneOf(STATES, instance.state, 'state'),
    health: oneOf(HEALTH, instance.health, 'health'),
    ...(exitCode !== undefined && { exitCode: integerOf(exitCode, 'exitCode') }),
    restarts: integerOf(instance.restarts, 'restarts'),
    ...(startedAt !== undefined && { startedAt: integerOf(startedAt, 'startedAt') }),
  };
}

function readJobs(value: unknown): AppReport['jobs'] {
  const entries = Object.entries(objectOf(value, 'jobs'));
  if (entries.length > MAX_JOBS) throw new HostInputError(`there are at most ${MAX_JOBS} jobs in a report`);
  return Object.fromEntries(
    entries.map(([service, state]) => [
      textOf(service, 'the name of a job'),
      state === 'running' ? state : integerOf(state, 'the state of a job'),
    ]),
  );
}

function appName(value: unknown): string {
  if (typeof value === 'string' && isRepositoryName(value)) return value;
  throw new HostInputError('app must be the name of an app');
}

/** Truncates output of failed programs instead of refusing it. */
function reasonOf(value: unknown): string {
  if (typeof value !== 'string') throw new HostInputError('reason must be a text');
  return plainText(value.slice(0, LONGEST_REASON));
}

function listOf(value: unknown, what: string, most: number): readonly unknown[] {
  if (Array.isArray(value) && value.length <= most) return value;
  throw new HostInputError(`${what} must be a list of at most ${most}`);
}

function oneOf<Value extends string>(values: readonly Value[], value: unknown, what: string): Value {
  const found = values.find((one) => one === value);
  if (found === undefined) throw new HostInputError(`${what} must be one of ${values.join(', ')}`);
  return found;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new HostInputError('a message must be JSON', { cause });
  }
}
