import type { ReleaseState } from '../../../fleet/release.ts';
import { printable } from '../printable.ts';
import type { RolloutHostView, RolloutView } from './views.ts';

/** Exit codes of commands that wait for a rollout. */
export const ROLLOUT_EXIT = {
  refused: 2,
  failed: 3,
  'rollback failed': 4,
  timeout: 5,
  superseded: 1,
} as const;

/** Returns the exit code for the end of a rollout; undefined while it is in progress. */
export function exitCodeOf(state: ReleaseState): number | undefined {
  switch (state) {
    case 'rolling':
    case 'rolling back':
      return undefined;
    case 'done':
      return 0;
    case 'rolled back':
    case 'failed':
    case 'paused':
      return ROLLOUT_EXIT.failed;
    case 'rollback failed':
      return ROLLOUT_EXIT['rollback failed'];
    case 'superseded':
      return ROLLOUT_EXIT.superseded;
  }
}

const STATES: Readonly<Record<ReleaseState, string>> = {
  rolling: 'is rolling out',
  done: 'is healthy',
  'rolling back': 'failed: going back',
  'rolled back': 'failed and was rolled back',
  'rollback failed': 'failed, and so did the rollback',
  failed: 'failed, and there was no release to go back to',
  paused: 'failed, and its policy leaves the hosts as they are',
  superseded: 'did not finish: a newer release replaced it',
};

/** Returns a sentence about a release, such as `team/shop: release 12 is healthy`. */
export function stateLine(
  app: string,
  { release, state, reason }: Pick<RolloutView, 'release' | 'state' | 'reason'>,
): string {
  const why = reason === null || state === 'done' ? '' : `: ${reason}`;
  return printable(`${app}: release ${release} ${STATES[state]}${why}`);
}

/** Returns a line about a host, such as `web1: starting, web 1/2`. */
export function hostLine(view: RolloutHostView, release: number): string {
  const { host, phase, reason, instances, state, wanted } = view;
  const why = reason === null ? '' : `: ${reason}`;
  if (phase === null && wanted === null) return printable(`${host}: nothing runs here`);
  if (state === 'offline' || state === 'unknown') {
    return printable(`${host}: ${state}, gets release ${wanted ?? release} when it comes back`);
  }
  if (view.release !== release || phase === null) {
    const isSettled = phase === 'healthy' || phase === null;
    const now = view.release === null ? 'waiting' : `on release ${view.release}`;
    return printable(`${host}: ${isSettled ? now : `${phase} (release ${view.release})${why}`}`);
  }
  const services = new Map<string, { healthy: number; all: number }>();
  for (const one of instances) {
    if (one.release !== release) continue;
    const count = services.get(one.service) ?? { healthy: 0, all: 0 };
    count.all += 1;
    if (one.health === 'healthy' && one.state === 'running') count.healthy += 1;
    services.set(one.service, count);
  }
  const counts = [...services].map(([service, { healthy, all }]) => `, ${service} ${healthy}/${all}`);
  return printable(`${host}: ${phase}${counts.join('')}${why}`);
}

const ORDER = ['failed', 'fetching', 'starting', 'draining', null, 'healthy', 'stopped'] as const;

/** Formats a rollout; with `most`, hosts in progress come first and the rest are counted. */
export function rolloutLines(
  app: string,
  view: RolloutView,
  most = Number.POSITIVE_INFINITY,
): readonly string[] {
  const { hosts, release } = view;
  const shown =
    hosts.length <= most
      ? hosts
      : hosts
          .toSorted((a, b) => ORDER.indexOf(a.phase) - ORDER.indexOf(b.phase))
          .slice(0, Math.max(0, most - 1));
  const rest = hosts.length - shown.length;
  return [
    stateLine(app, view),
    ...shown.map((host) => `  ${hostLine(host, release)}`),
    ...(rest > 0 ? [`  … and ${rest} more hosts`] : []),
  ];
}

/** The output for progress: standard error. */
export interface ProgressOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

/** Shows a rollout: on a terminal a block that is redrawn, elsewhere a line for each change. */
export class RolloutProgress {
  readonly #app: string;
  readonly #out: ProgressOutput;
  #lines: readonly string[] = [];

  constructor(app: string, out: ProgressOutput) {
    this.#app = app;
    this.#out = out;
  }

  show(view: RolloutView): void {
    const { columns = 80, isTTY = false, rows = 24 } = this.#out;
    const lines = rolloutLines(this.#app, view, isTTY ? rows - 3 : undefined);
    if (isTTY) this.#draw(lines.map((line) => line.slice(0, columns - 1)));
    else this.#tellChanges(lines);
    this.#lines = lines;
  }

  #draw(lines: readonly string[]): void {
    const up = this.#lines.length === 0 ? '' : `\x1b[${this.#lines.length}A\r\x1b[J`;
    this.#out.write(`${up}${lines.join('\n')}\n`);
  }

  #tellChanges(lines: readonly string[]): void {
    for (const line of lines) if (!this.#lines.includes(line)) this.#out.write(`${line.trim()}\n`);
  }
}
