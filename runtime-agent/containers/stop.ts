import { EngineError } from '../errors.ts';
import type { Container } from './container.ts';
import { resumeForSignal } from './pause.ts';
import { parseSignal } from './plan/signals.ts';
import { settlesWithin } from './waiters.ts';

const SIGKILL = 9;
const DEFAULT_GRACE = 10;
/** Maximum milliseconds between SIGKILL and the exit. */
const KILL_LIMIT = 60_000;

/** See Containers.stop. */
export async function stopContainer(
  container: Container,
  options: { readonly timeout?: number; readonly signal?: string },
): Promise<void> {
  const { config, name } = container.info;
  const signal = parseSignal(options.signal ?? config.StopSignal ?? 'TERM');
  // Waits for a start in progress.
  await container.settled();
  if (await cancelRestart(container)) return;
  if (container.run === undefined) {
    throw new EngineError('not-modified', `Container ${name} is already stopped`);
  }
  const grace = options.timeout ?? config.StopTimeout ?? DEFAULT_GRACE;
  const cleared = container.waiters.add('cleared');
  container.stopping = true;
  await markStopped(container);
  container.signal(signal);
  await resumeForSignal(container, signal);
  if (!(await settlesWithin(cleared, grace < 0 ? undefined : grace * 1000)))
    await killAndWait(container, cleared);
}

/** See Containers.kill. */
export async function killContainer(container: Container, text: string): Promise<void> {
  const signal = parseSignal(text === '' ? 'KILL' : text);
  await container.settled();
  const { id, info, run } = container;
  const stops = signal === SIGKILL || signal === parseSignal(info.config.StopSignal ?? 'TERM');
  if (info.state.status === 'restarting') {
    // There is no process to signal; a stop signal cancels the restart instead.
    if (stops) await cancelRestart(container);
    return;
  }
  if (run === undefined) {
    throw new EngineError('conflict', `cannot kill container: ${info.name}: container ${id} is not running`);
  }
  if (signal === SIGKILL) await killAndWait(container);
  else {
    if (stops) await markStopped(container);
    container.signal(signal);
  }
  // As in dockerd: without a StopSignal, any signal resumes it.
  if (stops || info.config.StopSignal === undefined) await resumeForSignal(container, signal);
}

/** Kills a container, and resolves when it has exited and its run is cleared. Also cancels a pending restart. */
export async function killAndWait(
  container: Container,
  cleared = container.waiters.add('cleared'),
): Promise<void> {
  if (await cancelRestart(container)) return;
  if (container.run === undefined) {
    // It has exited by itself, and may not be cleaned up yet.
    await container.settled();
    return;
  }
  await markStopped(container);
  container.signal(SIGKILL);
  await resumeForSignal(container, SIGKILL);
  if (!(await settlesWithin(cleared, KILL_LIMIT))) {
    throw new EngineError(
      'runtime',
      `container ${container.info.name} did not end within ${KILL_LIMIT / 1000} seconds of SIGKILL: look for a process that waits for a device`,
    );
  }
}

/** Cancels a pending restart. Returns whether there was one. */
async function cancelRestart(container: Container): Promise<boolean> {
  if (container.info.state.status !== 'restarting') return false;
  clearTimeout(container.restartTimer);
  container.change({ state: { status: 'exited', stoppedByUser: true } });
  await container.save();
  return true;
}

async function markStopped(container: Container): Promise<void> {
  container.change({ state: { stoppedByUser: true } });
  if (container.info.hostConfig.RestartPolicy.Name !== 'no') await container.save();
}
