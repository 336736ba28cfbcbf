import type { LogLine } from '../../containers/containers.ts';
import { frame } from './frame.ts';

/**
 * Log lines as a client reads them: framed, or as they are for a terminal; each with its time before it where
 * `timestamps` is set. Ends quietly when `signal` is aborted.
 */
export async function* logFrames(
  lines: AsyncIterable<LogLine>,
  options: { readonly tty: boolean; readonly timestamps: boolean; readonly signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  try {
    for await (const line of lines) {
      const data = options.timestamps
        ? Buffer.concat([Buffer.from(`${line.timestamp} `), line.data])
        : line.data;
      if (data.length === 0) continue;
      yield options.tty ? data : frame(line.stream, data);
    }
  } catch (error) {
    if (!options.signal.aborted) throw error;
  }
}
