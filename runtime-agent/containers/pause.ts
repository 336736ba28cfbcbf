import { EngineError } from '../errors.ts';
import { publishContainerEvent } from './container-events.ts';
import type { ContainerContext } from './context.ts';
import type { LiveContainer } from './live-container.ts';

const SIGKILL = 9;

/** See ContainerControl.pause. */
export async function pauseContainer(context: ContainerContext, live: LiveContainer): Promise<void> {
  await live.mutex.run(async () => {
    const { status } = live.container.state;
    if (status === 'paused') throw new EngineError('conflict', `Container ${live.id} is already paused`);
    if (status === 'restarting') {
      throw new EngineError(
        'conflict',
        `Container ${live.id} is restarting, wait until the container is running`,
      );
    }
    if (live.run === undefined) throw new EngineError('conflict', `container ${live.id} is not running`);
    try {
      await context.commands.pause(live.id);
    } catch (error) {
      if (live.isAlive) throw error;
      throw new EngineError('conflict', `container ${live.id} is not running`, { cause: error });
    }
    live.change({ state: { status: 'paused' } });
    await context.table.update(live.stored);
    publishContainerEvent(context.events, live.container, 'pause');
  });
}

/** See ContainerControl.unpause. */
export async function unpauseContainer(context: ContainerContext, live: LiveContainer): Promise<void> {
  await live.mutex.run(async () => {
    if (live.container.state.status !== 'paused') {
      throw new EngineError('runtime', `Container ${live.id} is not paused`);
    }
    await resume(context, live);
    publishContainerEvent(context.events, live.container, 'unpause');
  });
}

/** Resumes a paused container so that it receives a signal. Publishes `unpause` unless the signal is SIGKILL. */
export async function resumeForSignal(
  context: ContainerContext,
  live: LiveContainer,
  signal: number,
): Promise<void> {
  await live.mutex.run(async () => {
    if (live.run === undefined || live.container.state.status !== 'paused') return;
    try {
      await resume(context, live);
      if (signal !== SIGKILL) publishContainerEvent(context.events, live.container, 'unpause');
    } catch (error) {
      // A kernel that kills frozen processes leaves nothing to resume.
      if (live.isAlive) throw error;
    }
  });
}

async function resume(context: ContainerContext, live: LiveContainer): Promise<void> {
  await context.commands.resume(live.id);
  live.change({ state: { status: 'running' } });
  await context.table.update(live.stored);
}
