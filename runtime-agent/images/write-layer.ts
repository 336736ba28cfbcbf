import { write } from 'node:fs';
import { promisify } from 'node:util';

const writeAt = promisify(write);

/** Writes a layer into the descriptor of an empty file: LayerContent.writeInto. Throws as `tar` and the device do. */
export async function writeLayer(
  tar: AsyncIterable<Uint8Array>,
  fd: number,
  grown: () => void,
  signal: AbortSignal,
): Promise<void> {
  let position = 0;
  for await (const chunk of tar) {
    signal.throwIfAborted();
    for (let offset = 0; offset < chunk.length; ) {
      const { bytesWritten } = await writeAt(fd, chunk, offset, chunk.length - offset, position);
      offset += bytesWritten;
      position += bytesWritten;
    }
    grown();
  }
  signal.throwIfAborted();
}
