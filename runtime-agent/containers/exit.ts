import { rm } from 'node:fs/promises';
import { countOomKills } from '../../lib/linux/cgroups/cgroups.ts';
import { timestamp } from '../../lib/time/timestamp.ts';
import { wasOomKilled } from '../oci-runner/conmon.ts';
import { type ExitRecord, readExitRecord } from '../oci-runner/exit-watch.ts';
import { runPaths } from '../oci-runner/run-paths.ts';
import type { AttachSession } from './attach/attach-session.ts';
import { publishContainerEvent, publishVolumeEvents } from './container-events.ts';
import type { ContainerInfo } from './container-info.ts';
import type { ContainerContext } from './context.ts';
import type { LiveContainer } from './live-container.ts';
import { endedHealth } from './plan/health.ts';
import { containerCgroup } from './plan/resources.ts';
import { parseRestartPolicy, restartDelay, shouldRestart } from './plan/restart-policy.ts';
import { clearRun, removeLocked, type Thoroughness } from './remove.ts';
import { startLocked } from './start.ts';
import { settlesWithin } from './waiters.ts';

/** Milliseconds after which a run counts as successful and resets the delay of restarts. */
const SETTLED = 10_000;

/** Milliseconds that attached clients get to receive the last output. */
const LAST_OUTPUT = 2000;

/** Handles the end of a container whose exit file has appeared. Failures are logged. */
export async function handleExitFile(context: ContainerContext, id: string): Promise<void> {
  const live = context.index.byId(id);
  const { exitFile } = runPaths(context.paths, id);
  try {
    if (live === undefined) {
      await rm(exitFile, { force: true });
      return;
    }
    await live.mutex.run(async () => {
      if (live.run === undefined) return;
      const exit = await readExitRecord(exitFile);
      if (exit !== undefined) await handleExit(context, live, exit);
    });
  } catch (error) {
    context.log.error({ container: id, err: error }, 'the end of a container could not be handled');
  }
}

/**
 * Records the end of a container's process, notifies waiters, clears the run, and removes or restarts the container as it is
 * configured. The caller holds its mutex. Clients rely on dockerd's order: the last output, the response to `wait`, the event
 * `stop` and the response to `stop`, the events `die` and `destroy`.
 */
export async function handleExit(
  context: ContainerContext,
  live: LiveContainer,
  exit: ExitRecord,
  thoroughness: Thoroughness = 'ended',
): Promise<void> {
  const oomKilled =
    (await countOomKills(context.host.cgroups, containerCgroup(live.container))) > 0 ||
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
  const notifyStopped = () => {
    if (stopped) publishContainerEvent(events, live.container, 'stop');
    live.waiters.cleared({ exitCode: exit.exitCode });
  };
  const notifyDied = () => {
    publishContainerEvent(events, live.container, 'die', {
      exitCode: String(exit.exitCode),
      execDuration: String(Math.floor(duration / 1000)),
    });
  };
  live.waiters.ended({ exitCode: exit.exitCode });
  if (removes) {
    if (stopped) publishContainerEvent(events, live.container, 'stop');
    notifyDied();
    // The response to `stop` follows when the container is gone.
    await removeLocked(context, live, { run: thoroughness });
    return;
  }
  try {
    await Promise.all([
      context.table.update(live.stored),
      clearRun(context, live.paths, thoroughness),
    ]).finally(notifyStopped);
    // Takes long enough for the response to `stop` to precede the event.
    await rm(live.paths.exitFile, { force: true });
  } finally {
    notifyDied();
  }
  if (restarts) scheduleRestart(context, live);
}

/** Milliseconds. The duration of a run whose end was found later, perhaps after a reboot, comes from the recorded times. */
function runDuration(live: LiveContainer, { finishedAt }: ExitRecord, thoroughness: Thoroughness): number {
  if (thoroughness !== 'found') return live.runAge;
  return Math.max(0, finishedAt.getTime() - Date.parse(live.container.state.startedAt));
}

/** Detaches the clients of the run once they have its last output; later clients wait for the next run. */
async function takeSession(live: LiveContainer): Promise<AttachSession | undefined> {
  const { session } = live;
  live.session = undefined;
  if (session?.isConnected && session.hasClients) await settlesWithin(session.ended, LAST_OUTPUT);
  return session;
}

function withLastNetworks({ networks, activeNetwork }: ContainerInfo): ContainerInfo['networks'] {
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

/** Starts the container again after a delay, unless it is stopped, started or removed before. */
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
