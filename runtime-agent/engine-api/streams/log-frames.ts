import type { LogLine, OutputStream } from '../../containers/containers.ts';

/**
 * Yields log lines in the client's form: framed, or raw for a terminal; each after its time with `timestamps`. Ends
 * quietly when `signal` is aborted.
 */
export async function* logFrames(
  lines: AsyncIterable<LogLine>,
  options: {
    readonly tty: boolean;
    readonly timestamps: boolean;
    /** Printed before each line, after its time; undefined prints nothing. */
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

const STREAM_NUMBER: Readonly<Record<OutputStream, number>> = { stdout: 1, stderr: 2 };

/**
 * Returns one frame of a multiplexed stream (Engine API, ContainerAttach, "Stream format"): the stream's number, three
 * zeros, the length as 32 bits big-endian, and the bytes.
 */
export function frame(stream: OutputStream, data: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(8 + data.length);
  bytes.writeUInt32BE(STREAM_NUMBER[stream] << 24, 0);
  bytes.writeUInt32BE(data.length, 4);
  bytes.set(data, 8);
  return bytes;
}
