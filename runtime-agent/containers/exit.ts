import { rm } from 'node:fs/promises';
import type { Logger } from 'pino';
import { countOomKills } from '../../lib/linux/cgroups/cgroups.ts';
import { timestamp } from '../../lib/time/timestamp.ts';
import { type ExitRecord, readExitRecord, wasOomKilled } from '../oci-runner/conmon.ts';
import { runPaths, type SharedPaths } from '../oci-runner/run-paths.ts';
import type { AttachSession } from './attach/attach-session.ts';
import type { Container } from './container.ts';
import type { ContainerInfo } from './container-info.ts';
import { endedHealth } from './plan/health.ts';
import { containerCgroup } from './plan/resources.ts';
import { parseRestartPolicy, restartDelay, shouldRestart } from './plan/restart-policy.ts';
import { clearRun, removeLocked, type Thoroughness } from './remove.ts';
import { type StartDeps, startLocked } from './start.ts';
import { settlesWithin } from './waiters.ts';

/** Milliseconds after which a run counts as successful and resets the delay of restarts. */
const SETTLED = 10_000;

/** Milliseconds that attached clients have to receive the last output. */
const LAST_OUTPUT = 2000;

/** Dependencies of the end of a run, which may restart the container. */
export interface ExitDeps extends StartDeps {
  readonly paths: SharedPaths;
  /** Aborted when the agent stops; no container is restarted after that. */
  readonly stopping: AbortSignal;
}

/** Handles the end of a container whose exit file has appeared. Failures are logged. */
export async function handleExitFile(deps: ExitDeps, id: string, log: Logger): Promise<void> {
  const container = deps.index.byId(id);
  const { exitFile } = runPaths(deps.paths, id);
  try {
    if (container === undefined) {
      await rm(exitFile, { force: true });
      return;
    }
    await container.lock(async () => {
      if (container.run === undefined) return;
      const exit = await readExitRecord(exitFile);
      if (exit !== undefined) await handleExit(deps, container, exit);
    });
  } catch (error) {
    log.error({ container: id, err: error }, 'the end of a container could not be handled');
  }
}

/**
 * Records the end of a container's process, notifies waiters, clears the run, and removes or restarts the container
 * according to its configuration. The caller holds its lock. Clients rely on dockerd's order: the last output, the
 * response to `wait`, the event `stop` and the response to `stop`, the events `die` and `destroy`.
 */
export async function handleExit(
  deps: ExitDeps,
  container: Container,
  exit: ExitRecord,
  thoroughness: Thoroughness = 'ended',
): Promise<void> {
  const { paths, waiters } = container;
  const { exitCode } = exit;
  const oomKilled =
    (await countOomKills(deps.host.cgroups, containerCgroup(container.info))) > 0 ||
    (await wasOomKilled(paths));
  const stopped = container.stopping;
  const duration = runDuration(container, exit, thoroughness);
  const removes = container.info.hostConfig.AutoRemove && container.restarts === 0;
  const restarts = !deps.stopping.aborted && wantsRestart(container, exitCode, duration);
  const { health } = container.info.state;
  container.stopping = false;
  const session = await takeSession(container);
  try {
    await deps.networks.close(container.id);
    container.change({
      state: {
        status: restarts ? 'restarting' : 'exited',
        exitCode,
        oomKilled,
        finishedAt: timestamp(exit.finishedAt),
        ...(health === undefined ? {} : { health: endedHealth(health) }),
      },
      run: undefined,
      networks: withLastNetworks(container.info),
    });
  } finally {
    session?.end();
  }
  container.publishVolumes('unmount');
  if (oomKilled) container.publish('oom');
  const publishDie = () => {
    container.publish('die', {
      exitCode: String(exitCode),
      execDuration: String(Math.floor(duration / 1000)),
    });
  };
  waiters.ended({ exitCode });
  if (removes) {
    if (stopped) container.publish('stop');
    publishDie();
    // The response to `stop` follows when the container is gone.
    await removeLocked(deps, container, { run: thoroughness });
    return;
  }
  try {
    await Promise.all([container.save(), clearRun(deps, container, thoroughness)]).finally(() => {
      if (stopped) container.publish('stop');
      waiters.cleared({ exitCode });
    });
    // Takes long enough for the response to `stop` to precede the event.
    await rm(paths.exitFile, { force: true });
  } finally {
    publishDie();
  }
  if (restarts) scheduleRestart(deps, container);
}

/**
 * Returns milliseconds. For a run whose end was detected later, perhaps after a reboot, they come from the recorded
 * times.
 */
function runDuration(
  { runAge, info }: Container,
  { finishedAt }: ExitRecord,
  thoroughness: Thoroughness,
): number {
  if (thoroughness !== 'found') return runAge;
  return Math.max(0, finishedAt.getTime() - Date.parse(info.state.startedAt));
}

/** Detaches the clients of the run after its last output; later clients wait for the next run. */
async function takeSession(container: Container): Promise<AttachSession | undefined> {
  const session = container.takeSession();
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

function wantsRestart(container: Container, exitCode: number, duration: number): boolean {
  if (duration >= SETTLED) container.failures = 0;
  const { info } = container;
  return shouldRestart(parseRestartPolicy(info.hostConfig), {
    exitCode,
    stoppedByUser: info.state.stoppedByUser,
    restarts: info.state.restartCount,
  });
}

/** Starts the container again after a delay, unless it is stopped, started or removed before. */
export function scheduleRestart(deps: ExitDeps, container: Container): void {
  const delay = restartDelay(container.failures);
  container.failures += 1;
  container.restartTimer = setTimeout(() => {
    void container.lock(async () => {
      const { status, restartCount } = container.info.state;
      if (status !== 'restarting' || deps.stopping.aborted) return;
      container.change({ state: { restartCount: restartCount + 1 } });
      try {
        await startLocked(deps, container);
      } catch (err) {
        container.log.warn({ err }, 'a container could not be restarted');
      }
    });
  }, delay);
  container.restartTimer.unref();
}
