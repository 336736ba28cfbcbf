import { open } from 'node:fs/promises';
import type { Logger } from 'pino';
import { overwrite } from '../../../lib/linux/files/overwrite-file.ts';

/** Bytes of a file that is edited; those that the agent writes have some hundred. */
const LIMIT = 1 << 20;

/**
 * Changes a file of /etc, such as hosts, that a container which runs has mounted: it is written in its place. One that the
 * container has made too large to be read is left alone and told of in the log, so that it spoils nothing for others.
 */
export async function editEtcFile(log: Logger, path: string, edit: (text: string) => string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const { size } = await file.stat();
    if (size > LIMIT) {
      log.warn(
        { path, size },
        'a container has made its file of names too large to be changed, and it stays',
      );
      return;
    }
    const buffer = Buffer.alloc(size);
    const { bytesRead } = await file.read(buffer, 0, size, 0);
    await overwrite(file, edit(buffer.toString('utf8', 0, bytesRead)));
  } finally {
    await file.close();
  }
}
