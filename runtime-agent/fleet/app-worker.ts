import { type HostApp, type HostStep, isOfAttempt, isUp, stepKey } from '../../fleet/host-plan/host-app.ts';
import { planHost } from '../../fleet/host-plan/plan-host.ts';
import type { AppPhase, AppReport } from '../../fleet/report.ts';
import type { AppTarget } from '../../fleet/target.ts';
import type { ContainerInfo } from '../containers/container-info.ts';
import { isEngineError } from '../errors.ts';
import type { EngineEvent } from '../events/event-bus.ts';
import { appReport } from './app-report.ts';
import { AttemptRecord } from './attempt-record.ts';
import { LABELS } from './create-body.ts';
import type { FleetContext } from './fleet-context.ts';
import type { StoredApp, StoredInstance } from './fleet-store.ts';
import { exitCodeOf, exitReason, isStoppedByUser, StoppedByUserError } from './instance-gate.ts';
import { checkAllowed, JobError, performTraced, routedInstances, type StepContext } from './perform-step.ts';
import { Prefetch } from './prefetch.ts';
import {
  type FoundInstance,
  findInstances,
  type HostParts,
  hostApp,
  isFound,
  readParts,
} from './read-app.ts';

/** Initial pause in milliseconds before failed steps are retried, if the failure does not end the attempt. */
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 60_000;
/** Minimum milliseconds between two checks of an attempt's timeout. */
const SHORTEST_LIMIT = 100;
/** Milliseconds for running steps to end when the agent stops. */
const GRACE = 3000;

export interface AppWorkerOptions {
  readonly context: FleetContext;
  readonly stored: StoredApp;
  /** Whether the machine has started since the agent last ran. */
  readonly rebooted: boolean;
  readonly onReport: (report: AppReport) => void;
  /** Called when the app is completely removed, and has no target. */
  readonly onGone: (app: string) => void;
}

/**
 * Brings one app to its target, step by step: it reads the state, asks `planHost` for steps, journals them and runs
 * them concurrently; when one has ended it starts over. After a kill at any point, the next agent continues from the
 * state that it reads.
 */
export class AppWorker {
  readonly #options: AppWorkerOptions;
  readonly #app: string;
  readonly #record: AttemptRecord;
  #target: AppTarget | undefined;
  #failure: string | undefined;
  #lost: boolean;
  readonly #running = new Map<string, Promise<void>>();
  readonly #notes = new Map<string, string>();
  /** Aborts the running steps. */
  #steps = new AbortController();
  /** Number of completed steps: a state read before the last one is outdated. */
  #ended = 0;
  #wake = Promise.withResolvers<void>();
  #stopped = false;
  #pause = FIRST_PAUSE;
  #retry: NodeJS.Timeout | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #instances: readonly FoundInstance[] = [];
  #state: HostApp | undefined;
  readonly #prefetch: Prefetch;
  readonly #unsubscribe: () => void;
  readonly #done: Promise<void>;

  constructor(options: AppWorkerOptions) {
    const { stored, context, rebooted } = options;
    this.#options = options;
    this.#app = stored.app;
    this.#target = stored.target;
    this.#record = new AttemptRecord(context.store, stored.app, stored.progress);
    this.#lost = rebooted;
    this.#prefetch = new Prefetch(context, () => this.#look());
    this.#unsubscribe = context.engine.events.subscribe((event) => this.#see(event));
    this.#done = this.#run();
  }

  /** Sets the target, which is already stored. */
  setTarget(target: AppTarget | undefined): void {
    this.#target = target;
    this.#look();
  }

  /** Reports the app's status again. */
  report(): void {
    this.#look();
  }

  /** Aborts the running steps; containers keep running. */
  async close(): Promise<void> {
    this.#stopped = true;
    this.#steps.abort();
    this.#prefetch.close();
    this.#unsubscribe();
    this.#look();
    clearTimeout(this.#retry);
    clearTimeout(this.#deadline);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, GRACE);
    });
    await Promise.race([Promise.all([this.#done, ...this.#running.values()]), late]);
    clearTimeout(timer);
  }

  #look(): void {
    this.#wake.resolve();
  }

  async #run(): Promise<void> {
    await this.#restoreRoutes();
    while (!this.#stopped) {
      this.#wake = Promise.withResolvers();
      try {
        if (await this.#isOver()) return;
      } catch (err) {
        this.#options.context.engine.log.warn({ app: this.#app, err }, 'an app of the fleet waits');
        this.#retryLater();
      }
      await this.#wake.promise;
    }
  }

  /** One pass: reads, plans, starts steps. Returns true when nothing is left to do for the app. */
  async #isOver(): Promise<boolean> {
    if (this.#record.isBehind(this.#target) || this.#failure !== undefined) await this.#takeUp();
    const target = this.#target;
    const state = await this.#read();
    if (target !== this.#target || this.#stopped) {
      this.#look();
      return false;
    }
    this.#prefetch.setImages(target?.prefetch ?? []);
    await this.#nameReady(state);
    const { steps, phase } = planHost(state, target);
    const fresh = steps.filter((step) => !this.#running.has(stepKey(step)));
    if (target === undefined && steps.length === 0 && this.#running.size === 0) return this.#leave();
    this.#report(state, phase);
    if (fresh.length > 0 && this.#retry === undefined) await this.#begin(fresh, state);
    return false;
  }

  /** Takes up a new target or a failure: aborts the running steps first. */
  async #takeUp(): Promise<void> {
    this.#steps.abort();
    await Promise.allSettled(this.#running.values());
    this.#steps = new AbortController();
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#pause = FIRST_PAUSE;
    this.#notes.clear();
    const state = await this.#read();
    const target = this.#target;
    const failure = this.#failure;
    this.#failure = undefined;
    if (this.#record.isBehind(target)) this.#record.begin(state, target);
    else if (failure !== undefined) this.#record.fail(state, failure);
    await this.#record.save();
    this.#limitTime();
  }

  #limitTime(): void {
    clearTimeout(this.#deadline);
    const target = this.#target;
    if (target === undefined || this.#record.outcome !== 'working') return;
    const { timeout, release } = target;
    const end = () => {
      if (this.#record.outcome !== 'working' || target !== this.#target) return;
      if (this.#record.elapsed < timeout) {
        this.#limitTime();
        return;
      }
      const notes = [...this.#notes.values()].join('; ');
      const what = `release ${release.number} was not healthy within ${Math.round(timeout / 1000)} s`;
      this.#fail(notes === '' ? what : `${what}: ${notes}`);
    };
    this.#deadline = setTimeout(end, Math.max(SHORTEST_LIMIT, timeout - this.#record.elapsed));
  }

  /** Fails the attempt of `signal`, unless another one has begun since. */
  #fail(reason: string, signal = this.#steps.signal): void {
    if (signal.aborted) return;
    this.#failure ??= reason;
    this.#look();
  }

  /** Reads the state until no step has ended meanwhile: a container that is being created must not be created twice. */
  async #read(): Promise<HostApp> {
    const { context } = this.#options;
    for (;;) {
      const ended = this.#ended;
      const stored = (await context.store.instances()).map((one): [string, StoredInstance] => [one.key, one]);
      const parts: HostParts = await readParts(context, this.#app, this.#target);
      const instances = await findInstances(context, this.#app, new Map(stored));
      if (ended !== this.#ended) continue;
      this.#instances = instances;
      if (this.#lost) this.#record.forgetLost(instances.map(({ info }) => info));
      this.#lost = false;
      this.#state = hostApp(parts, this.#record.progress, instances);
      return this.#state;
    }
  }

  /** Makes an instance resolvable by its names while it is healthy, until it is stopped. */
  async #nameReady({ containers }: HostApp): Promise<void> {
    const { control } = this.#options.context.engine;
    for (const { id, passed, job } of containers) {
      const found = this.#instances.find(({ info }) => info.id === id);
      if (found === undefined || job || !passed || isFound(found.info)) continue;
      const isToStop = this.#running.has(stepKey({ kind: 'stop', container: id }));
      if (!isToStop) await control.setReady(id, true).catch(unlessGone);
    }
  }

  async #begin(steps: readonly HostStep[], state: HostApp): Promise<void> {
    const target = this.#target;
    if (target !== undefined && this.#record.outcome === 'working') {
      try {
        await checkAllowed(this.#options.context, target);
      } catch (error) {
        this.#fail((error as Error).message);
        return;
      }
    }
    if (this.#deadline === undefined) this.#limitTime();
    const { signal } = this.#steps;
    await this.#record.journal(steps, this.#running.keys(), state, target);
    for (const step of steps) {
      const key = stepKey(step);
      const done = this.#perform(step, target, signal).finally(() => {
        this.#running.delete(key);
        this.#notes.delete(key);
        this.#look();
      });
      this.#running.set(key, done);
    }
  }

  async #perform(step: HostStep, target: AppTarget | undefined, signal: AbortSignal): Promise<void> {
    const at: StepContext = {
      app: this.#app,
      target,
      find: (container) => this.#instances.find(({ info }) => info.id === container),
      note: (waitsFor) => this.#note(stepKey(step), waitsFor),
    };
    // A rollback has as much time as an attempt.
    const isLimited = this.#record.outcome === 'failed' && target !== undefined;
    const limit = isLimited ? AbortSignal.any([signal, AbortSignal.timeout(target.timeout)]) : signal;
    // Stopping instances have their grace period; the timeout of the attempt is for starting ones.
    const isStopping = step.kind === 'drain' || step.kind === 'stop';
    const release = isStopping ? this.#record.hold() : undefined;
    try {
      const exitCode = await performTraced(this.#options.context, step, at, limit);
      this.#ended += 1;
      this.#pause = FIRST_PAUSE;
      if (this.#state !== undefined) this.#record.succeed(step, this.#state, exitCode);
      // Otherwise the last step may need no journal entry, and another agent would repeat the watch days later.
      if (step.kind === 'watch' || step.kind === 'settle') await this.#record.save([...this.#running.keys()]);
    } catch (error) {
      this.#ended += 1;
      const isOfOthers = signal.aborted || (await this.#isOfOthers(step, error));
      if (!isOfOthers && !signal.aborted) this.#failed(step, error as Error);
    } finally {
      release?.();
    }
  }

  /** Reports whether a step failed because a user stopped or removed its container: the next plan compensates. */
  async #isOfOthers(step: HostStep, error: unknown): Promise<boolean> {
    if (error instanceof StoppedByUserError) return true;
    if (step.kind === 'watch') return isEngineError(error) && error.code === 'not-found';
    return 'container' in step && (await this.#find(step.container)) === undefined;
  }

  /** Returns undefined for a container that was removed. */
  async #find(container: string): Promise<ContainerInfo | undefined> {
    return this.#options.context.engine.containers.get(container).catch(unlessGone);
  }

  #note(key: string, waitsFor: string): void {
    if (this.#notes.get(key) === waitsFor) return;
    this.#notes.set(key, waitsFor);
    this.#look();
  }

  #failed(step: HostStep, error: Error): void {
    const { outcome } = this.#record;
    const { log } = this.#options.context.engine;
    log.warn({ app: this.#app, step: stepKey(step), err: error }, 'a step of the fleet failed');
    if (error instanceof JobError && step.kind === 'wait-job')
      this.#record.endJob(step.service, error.exitCode);
    if (this.#target !== undefined && (outcome === 'working' || outcome === 'watching')) {
      this.#fail(error.message);
      return;
    }
    const givesUp = outcome === 'failed' && (step.kind === 'wait-healthy' || step.kind === 'start');
    if (givesUp) this.#record.flag(step.container, { tried: true, stopped: false });
    else if ('container' in step) this.#record.flag(step.container, { tried: false });
    if (outcome !== 'failed') this.#record.setReason(error.message);
    this.#retryLater();
  }

  #retryLater(): void {
    clearTimeout(this.#retry);
    const again = () => {
      this.#retry = undefined;
      this.#look();
    };
    this.#retry = setTimeout(again, this.#pause);
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
  }

  #see(event: EngineEvent): void {
    const { type, action, id, attributes } = event;
    if (type !== 'container' || attributes[LABELS.app] !== this.#app || action.startsWith('exec_')) return;
    const flags = this.#record.flagsOf(id);
    const { outcome } = this.#record;
    if (action === 'die' && flags?.passed && (outcome === 'working' || outcome === 'watching')) {
      this.#record.flag(id, { passed: false });
      const found = this.#state?.containers.find((one) => one.id === id);
      const isMade = found && this.#target && isOfAttempt(found, this.#target) && !found.discarded;
      if (isMade && !this.#running.has(`stop ${id}`)) void this.#failByExit(id, exitCodeOf(event));
    }
    if (action === 'start' && flags?.routed) void this.#restoreRoutes();
    this.#look();
  }

  async #failByExit(id: string, exitCode: number | undefined): Promise<void> {
    const { signal } = this.#steps;
    const { engine } = this.#options.context;
    const info = await this.#find(id);
    if (info === undefined || isStoppedByUser(info.state)) return;
    this.#fail(await exitReason(engine, info, undefined, exitCode), signal);
  }

  /** Sets the routes again: the address of an instance is new after each start, and the proxy may be new too. */
  async #restoreRoutes(): Promise<void> {
    const { context } = this.#options;
    const { routes, engine } = context;
    try {
      const { containers } = await this.#read();
      const routed = containers.filter((one) => one.routed && isUp(one)).map(({ id }) => id);
      if (routed.length === 0) return;
      const find = (id: string) => this.#instances.find(({ info }) => info.id === id);
      await routes.lead(this.#app, await routedInstances(context, routed, { find }));
    } catch (err) {
      engine.log.warn({ app: this.#app, err }, 'the routes of an app cannot be set');
      this.#retryLater();
    }
  }

  #report(state: HostApp, phase: AppPhase): void {
    const notes = [...this.#notes.values()].join('; ');
    const reason = phase === 'failed' ? this.#record.progress.reason : notes || undefined;
    const { onReport } = this.#options;
    onReport(
      appReport({
        app: this.#app,
        target: this.#target,
        phase,
        reason,
        state,
        instances: this.#instances,
        prefetched: this.#prefetch.isDone,
      }),
    );
  }

  /** Removes the app. Returns false when it has a target again. */
  async #leave(): Promise<boolean> {
    const { context, onGone } = this.#options;
    if (!(await context.store.forget(this.#app))) return false;
    this.#stopped = true;
    this.#unsubscribe();
    clearTimeout(this.#deadline);
    onGone(this.#app);
    return true;
  }
}

function unlessGone(error: unknown): undefined {
  if (!(isEngineError(error) && error.code === 'not-found')) throw error;
}
