import type { LogLine } from '../../containers/containers.ts';
import { frame } from './frame.ts';

/**
 * Log lines as a client reads them: framed, or as they are for a terminal; each with its time before it where
 * `timestamps` is set. Ends quietly when `signal` is aborted.
 */
export async function* logFrames(
  lines: AsyncIterable<LogLine>,
  options: {
    readonly tty: boolean;
    readonly timestamps: boolean;
    /** Printed before each line, after its time; undefined is nothing. */
    readonly details?: string;
    readonly signal: AbortSignal;
  },
): AsyncGenerator<Uint8Array> {
  try {
    for await (const line of lines) {
      if (line.data.length === 0) continue;
      const head = `${options.timestamps ? `${line.timestamp} ` : ''}${options.details === undefined ? '' : `${options.details} `}`;
      const data = head === '' ? line.data : Buffer.concat([Buffer.from(head), line.data]);
      yield options.tty ? data : frame(line.stream, data);
    }
  } catch (error) {
    if (!options.signal.aborted) throw error;
  }
}
