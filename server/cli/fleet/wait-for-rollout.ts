import { setTimeout as sleep } from 'node:timers/promises';
import { tellLine } from '../printable.ts';
import { ApiError } from '../remote/api-error.ts';
import type { RegistryApi } from '../remote/registry-api.ts';
import { appPath } from './door.ts';
import { exitCodeOf, ROLLOUT_EXIT, RolloutProgress } from './rollout-progress.ts';
import type { ReleaseView, RolloutView } from './views.ts';

/** Maximum seconds of a long poll. */
const POLL = 25;
/** Milliseconds before a failed request is repeated. */
const PAUSE = 1_000;
/** Milliseconds that the registry needs beyond the timeout of its hosts. */
const MARGIN = 60_000;

export interface WaitTerms {
  readonly app: string;
  readonly release: number;
  /** Timeout of a host, milliseconds. Waiting ends when a rollout has not changed for longer. */
  readonly timeout: number;
  /** Milliseconds beyond that for the registry; MARGIN unless given. */
  readonly margin?: number;
  readonly signal: AbortSignal;
}

/**
 * Shows a rollout on standard error until it ends, and returns the exit code. Survives a restart of the registry.
 * Throws ApiError.
 */
export async function waitForRollout(api: RegistryApi, terms: WaitTerms): Promise<number> {
  const { app, release, timeout, margin = MARGIN, signal } = terms;
  const progress = new RolloutProgress(app, process.stderr);
  let revision: string | undefined;
  let changedAt = performance.now();
  while (performance.now() - changedAt < timeout + margin) {
    let view: RolloutView;
    try {
      const left = timeout + margin - (performance.now() - changedAt);
      view = await currentView(api, terms, revision, Math.min(POLL, Math.ceil(Math.max(0, left) / 1000)));
    } catch (error) {
      if (signal.aborted) return interrupted(app, release);
      if (!(error instanceof ApiError && error.mayPass)) throw error;
      await sleep(PAUSE, undefined, { signal }).catch(() => undefined);
      continue;
    }
    if (view.revision !== revision) changedAt = performance.now();
    revision = view.revision;
    progress.show(view);
    const code = exitCodeOf(view.state);
    if (code !== undefined) return code;
  }
  tellLine(
    `berth: nothing has changed for ${Math.round((timeout + margin) / 1000)} s; ${goesOn(app, release)}`,
  );
  return ROLLOUT_EXIT.timeout;
}

/** Returns the current state of the rollout, or the end of the release if another one has replaced it. */
async function currentView(
  api: RegistryApi,
  { app, release, signal }: WaitTerms,
  revision: string | undefined,
  wait: number,
): Promise<RolloutView> {
  const query = revision === undefined ? '' : `?after=${revision}&wait=${wait}`;
  const view = await api.call<RolloutView>('GET', appPath(app, `rollout${query}`), { signal, wait });
  if (view.release === release) return view;
  const path = appPath(app, `releases?limit=1&before=${release + 1}`);
  const { releases } = await api.call<{ releases: readonly ReleaseView[] }>('GET', path, { signal });
  const [found] = releases;
  if (found?.release !== release) throw new ApiError(404, `${app} has no release ${release} any more`);
  return { ...found, revision: view.revision, hosts: [] };
}

function interrupted(app: string, release: number): number {
  tellLine(`\nberth: stopped waiting; ${goesOn(app, release)}`);
  return 130;
}

function goesOn(app: string, release: number): string {
  return `release ${release} goes on: see "berth ps ${app}" and "berth history ${app}"`;
}
