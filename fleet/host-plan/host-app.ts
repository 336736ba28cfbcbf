import type { AppPhase } from '../report.ts';
import type { PinnedImage } from '../service.ts';

/**
 * How an attempt fares on a host. `working`: the plan leads to the target. `watching`: all of it is healthy, what ran before
 * has stopped, and is kept for a moment in case an instance ends. `done`: what ran before may go. `failed`: the plan leads
 * back to what ran before.
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
  /** The attempt has started it. */
  readonly tried: boolean;
  /** It passed its health gate, and has not ended since. */
  readonly passed: boolean;
  /** Its service has a route. */
  readonly hasRoute: boolean;
  /** The ingress leads requests to it. */
  readonly routed: boolean;
  /** The ingress has left it out, and requests may still be open. */
  readonly draining: boolean;
  /** The attempt has stopped it: it runs again if the attempt fails. */
  readonly stopped: boolean;
  /** Nothing goes back to it: it is of an attempt that a newer target cut short, or of the release before the last. */
  readonly discarded: boolean;
  /** What only one running container of the host can have: `port:tcp:8080`, `volume:NAME`. */
  readonly claims: readonly string[];
}

/** What there is of an app on this host. */
export interface HostApp {
  readonly outcome: AttemptOutcome;
  readonly containers: readonly HostContainer[];
  /** Keys (imageKey) of images that are here. */
  readonly images: ReadonlySet<string>;
  /** Names within the app. */
  readonly networks: ReadonlySet<string>;
  readonly volumes: ReadonlySet<string>;
  /** Exit codes of jobs of this release that ended, by service. */
  readonly jobs: Readonly<Record<string, number>>;
}

/** One thing to do. Each can be repeated: when it was done already, it changes nothing. */
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
  /** Until the health gate is passed; it fails with a sentence. */
  | { readonly kind: 'wait-healthy'; readonly container: string; readonly service: string }
  /** Until the job ends; its exit code is recorded. */
  | { readonly kind: 'wait-job'; readonly container: string; readonly service: string }
  /** Leads the routes of the app to exactly these. */
  | { readonly kind: 'route'; readonly containers: readonly string[] }
  | { readonly kind: 'drain'; readonly container: string }
  | { readonly kind: 'stop'; readonly container: string }
  | { readonly kind: 'remove'; readonly container: string }
  | { readonly kind: 'rename'; readonly container: string; readonly name: string }
  /** For the longest `monitor`: it fails when one of these ends. */
  | { readonly kind: 'watch'; readonly containers: readonly string[] }
  | { readonly kind: 'settle'; readonly outcome: 'watching' | 'done' };

/** Steps that can be done now, side by side. When one has ended, the plan is made again. */
export interface HostPlan {
  readonly phase: AppPhase;
  readonly steps: readonly HostStep[];
}

/** Tells steps apart: a step that is under way is not begun again. */
export function stepKey(step: HostStep): string {
  if (step.kind === 'pull') return `pull ${imageKey(step.image)}`;
  const { kind, ...rest } = step;
  return `${kind} ${Object.values(rest).flat().join(' ')}`;
}

/** The reference of an image without its tag; an image of the registry that the host joined begins with `/`. */
export function imageKey({ registry = '', repository, digest }: PinnedImage): string {
  return `${registry}/${repository}@${digest}`;
}

/** The name of an app as a Compose project. */
export function projectOf(app: string): string {
  return app.replaceAll('/', '-');
}

/** Whether a container runs, or will by its restart policy. */
export function isUp({ state }: HostContainer): boolean {
  return state === 'running' || state === 'restarting';
}

/** Tells attempts of an app apart. */
export interface AttemptId {
  readonly release: { readonly number: number };
  readonly attempt: number;
}

/** Whether a container was made by this attempt, or by one that left nothing to go back to. */
export function isOfAttempt(container: HostContainer, { release, attempt }: AttemptId): boolean {
  return container.discarded || (container.release === release.number && container.attempt === attempt);
}
