import { createHash } from 'node:crypto';
import { beginAttempt, failAttempt, isToReturn, routeFlags } from '../../fleet/host-plan/attempts.ts';
import { type HostApp, type HostStep, stepKey } from '../../fleet/host-plan/host-app.ts';
import type { AppTarget } from '../../fleet/target.ts';
import { type ContainerInfo, UNSEEN_EXIT } from '../containers/container-info.ts';
import type { AppProgress, ContainerFlags, FleetStore } from './fleet-store.ts';

/** The progress of an app on this host, in memory and in the journal. */
export class AttemptRecord {
  readonly #store: FleetStore;
  readonly #app: string;
  #progress: AppProgress;
  /** Time of the last update of `elapsed`, on the monotonic clock. */
  #counted = performance.now();
  /** Number of running steps whose time does not count. */
  #holds = 0;

  constructor(store: FleetStore, app: string, progress: AppProgress) {
    this.#store = store;
    this.#app = app;
    this.#progress = progress;
  }

  get progress(): AppProgress {
    return this.#progress;
  }

  get outcome(): AppProgress['outcome'] {
    return this.#progress.outcome;
  }

  /** Milliseconds that the attempt has taken, over all agents that worked on it. */
  get elapsed(): number {
    return this.#progress.elapsed + (this.#holds > 0 ? 0 : performance.now() - this.#counted);
  }

  /** Stops `elapsed` until the returned function is called. */
  hold(): () => void {
    this.#count();
    this.#holds += 1;
    return () => {
      this.#count();
      this.#holds -= 1;
    };
  }

  #count(): void {
    this.#progress = { ...this.#progress, elapsed: this.elapsed };
    this.#counted = performance.now();
  }

  flagsOf(container: string): ContainerFlags | undefined {
    return this.#progress.containers[container];
  }

  /** Reports whether this record is about another attempt than the target's, or other instances of it. */
  isBehind(target: AppTarget | undefined): boolean {
    const { of } = this.#progress;
    if (target === undefined) return of !== undefined;
    return of === undefined || of.attempt !== target.attempt || of.print !== printOf(target);
  }

  /** Begins an attempt for a new target: a failure rolls back to the instances that run now. */
  begin(state: HostApp, target: AppTarget | undefined): void {
    this.#adopt(beginAttempt(state, this.#progress.of, target));
    const { of: _, reason: __, ...rest } = this.#progress;
    const of = target && { release: { number: target.release.number }, attempt: target.attempt };
    this.#progress = {
      ...rest,
      ...(of !== undefined && target !== undefined && { of: { ...of, print: printOf(target) } }),
      elapsed: 0,
    };
    this.#counted = performance.now();
  }

  fail(state: HostApp, reason: string): void {
    this.#adopt(failAttempt(state));
    this.#progress = { ...this.#progress, reason };
  }

  setReason(reason: string): void {
    this.#progress = { ...this.#progress, reason };
  }

  flag(container: string, change: Partial<ContainerFlags>): void {
    const known = this.#progress.containers[container];
    if (known === undefined) return;
    const containers = { ...this.#progress.containers, [container]: { ...known, ...change } };
    this.#progress = { ...this.#progress, containers };
  }

  /**
   * Records that instances which ended with the machine's shutdown are running and healthy again. Their end is not a
   * failure of the attempt.
   */
  forgetLost(infos: readonly ContainerInfo[]): void {
    const { outcome } = this;
    let isAnyLost = false;
    for (const { id, state } of infos) {
      const flags = this.flagsOf(id);
      const isRestarting = state.status === 'restarting';
      const isLost = (isRestarting || state.status === 'exited') && state.exitCode === UNSEEN_EXIT;
      if (flags === undefined || !isLost || flags.stopped) continue;
      isAnyLost = true;
      const tried = isRestarting && flags.tried;
      this.flag(id, { tried, passed: false, stopped: outcome === 'failed' });
    }
    if (!isAnyLost || (outcome !== 'watching' && outcome !== 'working')) return;
    this.#progress = { ...this.#progress, outcome: 'working', elapsed: 0 };
    this.#counted = performance.now();
  }

  /** Journals steps before they run, together with `others`: durable when it resolves. */
  async journal(
    steps: readonly HostStep[],
    others: Iterable<string>,
    state: HostApp,
    target: AppTarget | undefined,
  ): Promise<void> {
    const known = { ...this.#progress.containers };
    for (const one of state.containers) known[one.id] ??= flagsOf(one);
    this.#progress = { ...this.#progress, containers: known };
    for (const step of steps) {
      const stopped = step.kind === 'stop' && state.containers.find(({ id }) => id === step.container);
      if (stopped && isToReturn(stopped, target)) this.flag(stopped.id, { stopped: true });
    }
    await this.save([...others, ...steps.map(stepKey)]);
  }

  async save(steps: readonly string[] = []): Promise<void> {
    this.#count();
    this.#progress = { ...this.#progress, steps };
    await this.#store.saveProgress(this.#app, this.#progress);
  }

  /** Records effects of a step that no container shows. */
  succeed(step: HostStep, state: HostApp, exitCode: number | undefined): void {
    switch (step.kind) {
      case 'start':
        this.flag(step.container, { tried: true });
        break;
      case 'wait-healthy':
        this.flag(step.container, { passed: true });
        break;
      case 'drain':
        this.flag(step.container, { draining: false });
        break;
      case 'stop':
        this.flag(step.container, { passed: false });
        break;
      case 'route':
        for (const one of state.containers) this.flag(one.id, routeFlags(one, step.containers));
        break;
      case 'wait-job':
        this.endJob(step.service, exitCode ?? 0);
        break;
      case 'settle':
        this.#progress = { ...this.#progress, outcome: step.outcome };
        break;
      case 'watch':
        this.#progress = { ...this.#progress, outcome: 'done' };
    }
  }

  endJob(service: string, exitCode: number): void {
    this.#progress = { ...this.#progress, jobs: { ...this.#progress.jobs, [service]: exitCode } };
  }

  #adopt({ outcome, jobs, containers }: HostApp): void {
    const flags = Object.fromEntries(containers.map((one) => [one.id, flagsOf(one)]));
    this.#progress = { ...this.#progress, outcome, jobs, containers: flags };
  }
}

function flagsOf({ tried, passed, routed, draining, stopped, discarded }: ContainerFlags): ContainerFlags {
  return { tried, passed, routed, draining, stopped, discarded };
}

/** Hashes everything except encrypted secrets, which differ each time. */
function printOf({ release }: AppTarget): string {
  const text = JSON.stringify(release, (key, value) => (key === 'sealed' ? undefined : value));
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}
