import { signalProcess } from '../../lib/linux/process/signal-process.ts';
import { EngineError } from '../errors.ts';
import { publishContainerEvent } from './container-events.ts';
import type { ContainerContext } from './context.ts';
import type { LiveContainer } from './live-container.ts';
import { resumeForSignal } from './pause.ts';
import { parseSignal } from './plan/signals.ts';
import { settlesWithin } from './waiters.ts';

const SIGKILL = 9;
const DEFAULT_GRACE = 10;
/** Maximum milliseconds between SIGKILL and the exit. */
const KILL_LIMIT = 60_000;

/** See Containers.stop. */
export async function stopContainer(
  context: ContainerContext,
  live: LiveContainer,
  options: { readonly timeout?: number; readonly signal?: string },
): Promise<void> {
  const { config, name } = live.container;
  const signal = parseSignal(options.signal ?? config.StopSignal ?? 'TERM');
  // Wait for a start in progress.
  await live.mutex.run(async () => undefined);
  if (await cancelRestart(context, live)) return;
  if (live.run === undefined) throw new EngineError('not-modified', `Container ${name} is already stopped`);
  const grace = options.timeout ?? config.StopTimeout ?? DEFAULT_GRACE;
  const cleared = live.waiters.add('cleared');
  live.stopping = true;
  await markStopped(context, live);
  sendSignal(context, live, signal);
  await resumeForSignal(context, live, signal);
  if (!(await settlesWithin(cleared, grace < 0 ? undefined : grace * 1000)))
    await killAndWait(context, live, cleared);
}

/** See Containers.kill. */
export async function killContainer(
  context: ContainerContext,
  live: LiveContainer,
  text: string,
): Promise<void> {
  const signal = parseSignal(text === '' ? 'KILL' : text);
  await live.mutex.run(async () => undefined);
  const { container, run } = live;
  const stops = signal === SIGKILL || signal === parseSignal(container.config.StopSignal ?? 'TERM');
  if (container.state.status === 'restarting') {
    // There is no process to signal; a stop signal cancels the restart instead.
    if (stops) await cancelRestart(context, live);
    return;
  }
  if (run === undefined) {
    throw new EngineError(
      'conflict',
      `cannot kill container: ${container.name}: container ${container.id} is not running`,
    );
  }
  if (stops) await markStopped(context, live);
  if (signal === SIGKILL) await killAndWait(context, live);
  else sendSignal(context, live, signal);
  // As in dockerd: without a StopSignal, any signal resumes it.
  if (stops || container.config.StopSignal === undefined) await resumeForSignal(context, live, signal);
}

/** Kills a container, and resolves when it has exited and its run is cleared. Also cancels a pending restart. */
export async function killAndWait(
  context: ContainerContext,
  live: LiveContainer,
  cleared = live.waiters.add('cleared'),
): Promise<void> {
  if (await cancelRestart(context, live)) return;
  if (live.run === undefined) {
    // It has exited by itself, and may not be cleared yet.
    await live.mutex.run(async () => undefined);
    return;
  }
  sendSignal(context, live, SIGKILL);
  await resumeForSignal(context, live, SIGKILL);
  if (!(await settlesWithin(cleared, KILL_LIMIT))) {
    throw new EngineError(
      'runtime',
      `container ${live.container.name} did not end within ${KILL_LIMIT / 1000} seconds of SIGKILL: look for a process that waits for a device`,
    );
  }
}

/** Cancels a pending restart. Returns whether there was one. */
async function cancelRestart(context: ContainerContext, live: LiveContainer): Promise<boolean> {
  if (live.container.state.status !== 'restarting') return false;
  clearTimeout(live.restartTimer);
  live.change({ state: { status: 'exited' }, stoppedByUser: true });
  await context.table.update(live.stored);
  return true;
}

async function markStopped(context: ContainerContext, live: LiveContainer): Promise<void> {
  live.change({ stoppedByUser: true });
  if (live.container.hostConfig.RestartPolicy.Name !== 'no') await context.table.update(live.stored);
}

function sendSignal(context: ContainerContext, live: LiveContainer, signal: number): void {
  const { run } = live;
  if (run === undefined) return;
  signalProcess(context.host.libc, run.pid, run.startTime, signal);
  publishContainerEvent(context.events, live.container, 'kill', { signal: String(signal) });
}
