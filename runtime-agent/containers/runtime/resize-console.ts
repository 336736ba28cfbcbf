import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** conmon refuses more. */
const LARGEST = 1000;

/**
 * Tells conmon the size of the container's terminal through its control FIFO. Answers false when conmon has gone.
 */
export async function resizeConsole(
  control: string,
  size: { readonly rows: number; readonly columns: number },
): Promise<boolean> {
  const rows = Math.min(LARGEST, size.rows);
  const columns = Math.min(LARGEST, size.columns);
  try {
    const fifo = await open(control, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      await fifo.write(`1 ${rows} ${columns}\n`);
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
