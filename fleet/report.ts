import type { Digest } from '../oci/digest.ts';

/**
 * Where a host is with the release that its target names. `fetching`: it pulls images. `starting`: new instances start
 * or are not healthy yet. `draining`: they are healthy and requests are led to them, and those before them stop. `healthy`:
 * exactly that release runs; of a target that is `proven`, those before may still stop.
 * `failed`: it gave up on that attempt; the instances before are untouched. `stopped`: the app was taken off this host.
 */
export const APP_PHASES = ['fetching', 'starting', 'draining', 'healthy', 'failed', 'stopped'] as const;
export type AppPhase = (typeof APP_PHASES)[number];

/** What a host says about an app. It replaces the report before. */
export interface AppReport {
  readonly app: string;
  /** Of the target that the phase is about. */
  readonly release: number;
  readonly attempt: number;
  readonly phase: AppPhase;
  /** Why it failed, or what it waits for. */
  readonly reason?: string;
  readonly instances: readonly InstanceReport[];
  /** Jobs of this release that ran here, by service: `running`, or the exit code. */
  readonly jobs: Readonly<Record<string, 'running' | number>>;
  /** True once every image of the target's `prefetch` is here. */
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
