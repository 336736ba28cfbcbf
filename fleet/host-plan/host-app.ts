import type { AppPhase } from '../report.ts';
import type { PinnedImage } from '../service.ts';

/**
 * The state of an attempt on a host. `working`: the plan leads to the target. `watching`: all of it is healthy, and the
 * old instances are stopped but kept for a moment in case a new one ends. `done`: the old instances may be removed.
 * `failed`: the plan rolls back to the old instances.
 */
export type AttemptOutcome = 'working' | 'watching' | 'done' | 'failed';

/** A container of an app on this host. */
export interface HostContainer {
  readonly id: string;
  readonly name: string;
  readonly service: string;
  readonly instance: number;
  readonly release: number;
  readonly attempt: number;
  readonly hash: string;
  readonly job: boolean;
  readonly state: 'created' | 'running' | 'restarting' | 'exited';
  /** Whether the attempt has started it. */
  readonly tried: boolean;
  /** Whether it passed its health check, and has not ended since. */
  readonly passed: boolean;
  /** Whether its service has a route. */
  readonly hasRoute: boolean;
  /** Whether the ingress sends requests to it. */
  readonly routed: boolean;
  /** Whether the ingress sends no new requests to it, although some may still be open. */
  readonly draining: boolean;
  /** Whether the attempt has stopped it; it restarts if the attempt fails. */
  readonly stopped: boolean;
  /**
   * Whether no rollback needs it: it belongs to an attempt that a newer target interrupted, or to the release before
   * the last.
   */
  readonly discarded: boolean;
  /** Resources that only one running container of the host can have: `port:tcp:8080`, `volume:NAME`. */
  readonly claims: readonly string[];
}

/** The state of an app on this host. */
export interface HostApp {
  readonly outcome: AttemptOutcome;
  readonly containers: readonly HostContainer[];
  /** Keys (imageKey) of images on this host. */
  readonly images: ReadonlySet<string>;
  /** Names within the app. */
  readonly networks: ReadonlySet<string>;
  readonly volumes: ReadonlySet<string>;
  /** Exit codes of completed jobs of this release, by service. */
  readonly jobs: Readonly<Record<string, number>>;
}

/** One step of a plan. Steps are idempotent. */
export type HostStep =
  | { readonly kind: 'pull'; readonly image: PinnedImage; readonly platform?: string }
  | { readonly kind: 'create-network'; readonly network: string }
  | { readonly kind: 'create-volume'; readonly volume: string }
  | { readonly kind: 'remove-network'; readonly network: string }
  | {
      readonly kind: 'create';
      readonly service: string;
      readonly instance: number;
      readonly name: string;
    }
  | { readonly kind: 'start'; readonly container: string }
  /** Waits for the health check; fails with a message. */
  | { readonly kind: 'wait-healthy'; readonly container: string; readonly service: string }
  /** Waits for the end of the job; its exit code is recorded. */
  | { readonly kind: 'wait-job'; readonly container: string; readonly service: string }
  /** Routes requests of the app to exactly these. */
  | { readonly kind: 'route'; readonly containers: readonly string[] }
  | { readonly kind: 'drain'; readonly container: string }
  | { readonly kind: 'stop'; readonly container: string }
  | { readonly kind: 'remove'; readonly container: string }
  | { readonly kind: 'rename'; readonly container: string; readonly name: string }
  /** Watches for the longest `monitor`; fails when one of these ends. */
  | { readonly kind: 'watch'; readonly containers: readonly string[] }
  | { readonly kind: 'settle'; readonly outcome: 'watching' | 'done' };

/** Steps that can run now, concurrently. When one has ended, the plan is computed again. */
export interface HostPlan {
  readonly phase: AppPhase;
  readonly steps: readonly HostStep[];
}

/** Identifies a step: a running step is not started again. */
export function stepKey(step: HostStep): string {
  if (step.kind === 'pull') return `pull ${imageKey(step.image)}`;
  const { kind, ...rest } = step;
  return `${kind} ${Object.values(rest).flat().join(' ')}`;
}

/** Returns the reference of an image without its tag; an image of the registry that the host joined begins with `/`. */
export function imageKey({ registry = '', repository, digest }: PinnedImage): string {
  return `${registry}/${repository}@${digest}`;
}

/** Returns the name of an app as a Compose project. */
export function projectOf(app: string): string {
  return app.replaceAll('/', '-');
}

/** Reports whether a container runs, or will restart by its policy. */
export function isUp({ state }: HostContainer): boolean {
  return state === 'running' || state === 'restarting';
}

/** Identifies an attempt of an app. */
export interface AttemptId {
  readonly release: { readonly number: number };
  readonly attempt: number;
}

/** Reports whether a container belongs to this attempt, or to an earlier one that is never rolled back to. */
export function isOfAttempt(container: HostContainer, { release, attempt }: AttemptId): boolean {
  return container.discarded || (container.release === release.number && container.attempt === attempt);
}
