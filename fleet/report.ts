import type { Digest } from '../oci/digest.ts';

/**
 * The progress of a host with its target's release. `fetching`: it pulls images. `starting`: new instances start or are
 * not healthy yet. `draining`: they are healthy and get all requests, and the old ones stop. `healthy`: exactly that
 * release runs; for a `proven` target the old instances may still be stopping. `failed`: the attempt was given up; the
 * old instances are untouched. `stopped`: the app was removed from this host.
 */
export const APP_PHASES = ['fetching', 'starting', 'draining', 'healthy', 'failed', 'stopped'] as const;
export type AppPhase = (typeof APP_PHASES)[number];

/** A host's report about an app. It replaces the previous one. */
export interface AppReport {
  readonly app: string;
  /** Release that the phase is about, from the target. */
  readonly release: number;
  readonly attempt: number;
  readonly phase: AppPhase;
  /** Why it failed, or what it waits for. */
  readonly reason?: string;
  readonly instances: readonly InstanceReport[];
  /** Jobs of this release that ran here, by service: `running`, or the exit code. */
  readonly jobs: Readonly<Record<string, 'running' | number>>;
  /** True once every image of the target's `prefetch` has been pulled. */
  readonly prefetched: boolean;
}

export type InstanceHealth = 'starting' | 'healthy' | 'unhealthy';

/** A container of a service of a release. */
export interface InstanceReport {
  readonly service: string;
  /** Number of the instance within its service, from 1. */
  readonly instance: number;
  readonly release: number;
  readonly container: string;
  readonly image: Digest;
  readonly state: 'created' | 'running' | 'restarting' | 'paused' | 'draining' | 'exited';
  readonly health: InstanceHealth;
  readonly exitCode?: number;
  readonly restarts: number;
  /** Ms since 1970, by the clock of the host. */
  readonly startedAt?: number;
}
