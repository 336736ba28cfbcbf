import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** Writes one command to conmon's control FIFO. Answers false when conmon has gone. */
export async function tellMonitor(control: string, command: string): Promise<boolean> {
  try {
    const fifo = await open(control, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      await fifo.write(`${command}\n`);
    } finally {
      await fifo.close();
    }
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENXIO' || code === 'ENOENT' || code === 'EPIPE') return false;
    throw error;
  }
}
