import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { HttpServer } from './http/http-server.ts';

/** Milliseconds that running requests have to finish after SIGTERM or SIGINT. */
export const SHUTDOWN_GRACE = 30_000;

/** Minimum shutdown time, ms: the database or the storage may not respond. Answered requests are durable already. */
const CLOSING_TIME = 5_000;

/** The parts of a registry to shut down. */
export interface ShutdownParts {
  readonly server: Pick<HttpServer, 'leave' | 'drain'>;
  /** Milliseconds to keep serving with /readyz at 503, so that load balancers choose another registry. */
  readonly delay: number;
  /** Ends the connections of hosts and the streams of events, which would never finish. */
  readonly closeStreams: () => void;
  /** Background work, the storage and the database. */
  readonly resources: AsyncDisposable;
  readonly log: Logger;
}

/**
 * Resolves with the first SIGTERM or SIGINT. The second one ends the process at once, after `flush`, with 128 plus the
 * signal's number as exit code.
 */
export function firstSignal(flush: () => void): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let count = 0;
    const onSignal = (signal: NodeJS.Signals) => {
      count += 1;
      if (count === 1) {
        resolve(signal);
        return;
      }
      flush();
      process.exit(signal === 'SIGINT' ? 130 : 143);
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}

/**
 * Shuts a registry down: it reports that it leaves, waits for `delay`, drains requests for at most `graceMs`, and then closes
 * the resources. Resolves to whether all requests could finish.
 */
export async function shutDown(
  { server, delay, closeStreams, resources, log }: ShutdownParts,
  graceMs: number,
): Promise<boolean> {
  server.leave();
  await sleep(delay);
  const end = performance.now() + graceMs;
  closeStreams();
  const finished = await server.drain(graceMs);
  const closing = resources[Symbol.asyncDispose]().then(() => true);
  const time = Math.max(CLOSING_TIME, end - performance.now());
  if (!(await Promise.race([closing, sleep(time, false, { ref: false })]))) {
    log.warn('the database or the storage does not respond: the process ends without closing it');
  }
  return finished;
}
