import { rm } from 'node:fs/promises';
import { countOomKills } from '../../lib/linux/cgroups/cgroups.ts';
import { timestamp } from '../../lib/time/timestamp.ts';
import type { ExitRecord } from '../oci-runner/exit-watch.ts';
import { wasOomKilled } from '../oci-runner/oom-mark.ts';
import type { AttachSession } from './attach/attach-session.ts';
import { clearRun, type Thoroughness } from './clear-run.ts';
import type { Container } from './container.ts';
import { publishContainerEvent, publishVolumeEvents } from './container-events.ts';
import type { ContainerContext } from './context.ts';
import type { LiveContainer } from './live-container.ts';
import { containerCgroup } from './plan/cgroup-path.ts';
import { endedHealth } from './plan/health-state.ts';
import { parseRestartPolicy, restartDelay, shouldRestart } from './plan/restart-policy.ts';
import { removeLocked } from './remove.ts';
import { settlesWithin } from './settles-within.ts';
import { startLocked } from './start.ts';

/** A run this long was no failed attempt: the delays of restarts begin anew (milliseconds). */
const SETTLED = 10_000;

/** What attached clients have not been handed so long after the end is not waited for (milliseconds). */
const LAST_OUTPUT = 2000;

/**
 * A container's process has ended: records it, tells all who wait, clears up, and removes or restarts the container where
 * that is asked for. The caller holds its mutex. The order is dockerd's, which programs rely on: the last output, the answer
 * of `wait`, the event `stop` and the answer of `stop`, the event `die`, `destroy`.
 */
export async function finishRunLocked(
  context: ContainerContext,
  live: LiveContainer,
  exit: ExitRecord,
  thoroughness: Thoroughness = 'ended',
): Promise<void> {
  const oomKilled =
    (await countOomKills(context.cgroups, containerCgroup(live.container))) > 0 ||
    (await wasOomKilled(live.paths));
  const stopped = live.stopping;
  const duration = runDuration(live, exit, thoroughness);
  const removes = live.container.hostConfig.AutoRemove && live.restarts === 0;
  const restarts = willRestart(context, live, exit.exitCode, duration);
  const { health } = live.container.state;
  live.stopping = false;
  const session = await takeSession(live);
  try {
    await context.networks.close(live.id);
    live.change({
      state: {
        status: restarts ? 'restarting' : 'exited',
        exitCode: exit.exitCode,
        oomKilled,
        finishedAt: timestamp(exit.finishedAt),
        ...(health === undefined ? {} : { health: endedHealth(health) }),
      },
      run: undefined,
      networks: withLastNetworks(live.container),
    });
  } finally {
    session?.end();
  }
  const { events } = context;
  publishVolumeEvents(events, live.container, 'unmount');
  if (oomKilled) publishContainerEvent(events, live.container, 'oom');
  const tellOfStop = () => {
    if (stopped) publishContainerEvent(events, live.container, 'stop');
    live.waiters.cleared({ exitCode: exit.exitCode });
  };
  const tellOfEnd = () => {
    publishContainerEvent(events, live.container, 'die', {
      exitCode: String(exit.exitCode),
      execDuration: String(Math.floor(duration / 1000)),
    });
  };
  live.waiters.ended({ exitCode: exit.exitCode });
  if (removes) {
    if (stopped) publishContainerEvent(events, live.container, 'stop');
    tellOfEnd();
    // Who stops it is answered when it has gone.
    await removeLocked(context, live, { run: thoroughness });
    return;
  }
  try {
    await Promise.all([
      context.table.update(live.stored),
      clearRun(context, live.paths, thoroughness),
    ]).finally(tellOfStop);
    // Takes long enough for who asked for the end to have its answer before others hear of it.
    await rm(live.paths.exitFile, { force: true });
  } finally {
    tellOfEnd();
  }
  if (restarts) scheduleRestart(context, live);
}

/** Milliseconds. An end that was found later, perhaps after a boot, has only the two moments that were written down. */
function runDuration(live: LiveContainer, { finishedAt }: ExitRecord, thoroughness: Thoroughness): number {
  if (thoroughness !== 'found') return live.runAge;
  return Math.max(0, finishedAt.getTime() - Date.parse(live.container.state.startedAt));
}

/** The clients of the run, when they have its last output; who attaches from now on waits for the next run. */
async function takeSession(live: LiveContainer): Promise<AttachSession | undefined> {
  const { session } = live;
  live.session = undefined;
  if (session?.isConnected && session.hasClients) await settlesWithin(session.ended, LAST_OUTPUT);
  return session;
}

function withLastNetworks({ networks, activeNetwork }: Container): Container['networks'] {
  const last = new Map(activeNetwork?.endpoints.map(({ network: { name, id } }) => [name, id]));
  return Object.fromEntries(
    Object.entries(networks).map(([name, settings]) => {
      const lastNetwork = last.get(name);
      return [name, lastNetwork === undefined ? settings : { ...settings, lastNetwork }];
    }),
  );
}

function willRestart(
  context: ContainerContext,
  live: LiveContainer,
  exitCode: number,
  duration: number,
): boolean {
  if (context.stopping.aborted) return false;
  if (duration >= SETTLED) live.failures = 0;
  return shouldRestart(parseRestartPolicy(live.container.hostConfig), {
    exitCode,
    stoppedByUser: live.stored.stoppedByUser,
    restarts: live.container.state.restartCount,
  });
}

/** Starts the container again after its delay, unless it was stopped, started or removed before. */
export function scheduleRestart(context: ContainerContext, live: LiveContainer): void {
  const delay = restartDelay(live.failures);
  live.failures += 1;
  live.restartTimer = setTimeout(() => {
    void live.mutex.run(async () => {
      if (live.container.state.status !== 'restarting' || context.stopping.aborted) return;
      live.change({ state: { restartCount: live.container.state.restartCount + 1 } });
      try {
        await startLocked(context, live);
      } catch (error) {
        context.log.warn({ container: live.id, err: error }, 'a container could not be restarted');
      }
    });
  }, delay);
  live.restartTimer.unref();
}
