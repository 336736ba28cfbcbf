import { EngineError } from '../../errors.ts';
import type { HostConfig } from '../host-config.ts';

/** When an exited container is restarted. */
export type RestartPolicy =
  | { readonly kind: 'never' }
  | { readonly kind: 'always' }
  | { readonly kind: 'unless-stopped' }
  /** A `limit` of 0 means no limit. */
  | { readonly kind: 'on-failure'; readonly limit: number };

/** Throws EngineError 'bad-request'. */
export function parseRestartPolicy(hostConfig: HostConfig): RestartPolicy {
  const { Name: name, MaximumRetryCount: limit } = hostConfig.RestartPolicy;
  if (limit < 0) refuse('invalid restart policy: maximum retry count cannot be negative');
  if (name !== 'on-failure' && limit > 0) {
    refuse("invalid restart policy: maximum retry count can only be used with 'on-failure'");
  }
  if (name === '' || name === 'no') return { kind: 'never' };
  if (hostConfig.AutoRemove) refuse("can't create 'AutoRemove' container with restart policy");
  if (name === 'always' || name === 'unless-stopped') return { kind: name };
  if (name === 'on-failure') return { kind: 'on-failure', limit };
  return refuse(
    `invalid restart policy: unknown policy '${name.slice(0, 40)}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
  );
}

/** Facts about the exit of a container. */
export interface RestartFacts {
  readonly exitCode: number;
  /** True after `docker stop` or `docker kill`. */
  readonly stoppedByUser: boolean;
  /** Restarts since a client started it. */
  readonly restarts: number;
}

export function shouldRestart(policy: RestartPolicy, facts: RestartFacts): boolean {
  if (facts.stoppedByUser) return false;
  if (policy.kind === 'on-failure') {
    return facts.exitCode !== 0 && (policy.limit === 0 || facts.restarts < policy.limit);
  }
  return policy.kind !== 'never';
}

/** Returns the milliseconds before the next start: 100 ms, doubled at each consecutive restart, at most a minute. */
export function restartDelay(restarts: number): number {
  return Math.min(60_000, 100 * 2 ** Math.min(restarts, 16));
}

function refuse(message: string): never {
  throw new EngineError('bad-request', message);
}
