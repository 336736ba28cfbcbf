import { EngineError } from '../errors.ts';
import type { Container } from './container.ts';

const SIGKILL = 9;

/** See ContainerControl.pause. */
export async function pauseContainer(container: Container): Promise<void> {
  await container.lock(async () => {
    const { id, info, run } = container;
    const { status } = info.state;
    if (status === 'paused') throw new EngineError('conflict', `Container ${id} is already paused`);
    if (status === 'restarting') {
      throw new EngineError('conflict', `Container ${id} is restarting, wait until the container is running`);
    }
    if (run === undefined) throw new EngineError('conflict', `container ${id} is not running`);
    try {
      await container.commands.pause(id);
    } catch (error) {
      if (container.isAlive) throw error;
      throw new EngineError('conflict', `container ${id} is not running`, { cause: error });
    }
    container.change({ state: { status: 'paused' } });
    await container.save();
    container.publish('pause');
  });
}

/** See ContainerControl.unpause. */
export async function unpauseContainer(container: Container): Promise<void> {
  await container.lock(async () => {
    if (container.info.state.status !== 'paused') {
      throw new EngineError('runtime', `Container ${container.id} is not paused`);
    }
    await resume(container);
    container.publish('unpause');
  });
}

/** Resumes a paused container so that it receives a signal. Publishes `unpause` unless the signal is SIGKILL. */
export async function resumeForSignal(container: Container, signal: number): Promise<void> {
  await container.lock(async () => {
    if (container.run === undefined || container.info.state.status !== 'paused') return;
    try {
      await resume(container);
      if (signal !== SIGKILL) container.publish('unpause');
    } catch (error) {
      // A kernel that kills frozen processes leaves nothing to resume.
      if (container.isAlive) throw error;
    }
  });
}

async function resume(container: Container): Promise<void> {
  await container.commands.resume(container.id);
  container.change({ state: { status: 'running' } });
  await container.save();
}
