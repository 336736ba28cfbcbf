import type { OutputStream } from '../containers.ts';

/** One line of conmon's log (the Kubernetes CRI log format). */
export interface LogEntry {
  readonly stream: OutputStream;
  /** RFC 3339 with nanoseconds, UTC. */
  readonly timestamp: string;
  /** Milliseconds since 1970, with fractions. */
  readonly time: number;
  /** False where the next entry of the stream goes on with the same line. */
  readonly complete: boolean;
  readonly text: Buffer;
}

const HEAD = /^(\S+) (stdout|stderr) ([FP]) $/;
const HEAD_LIMIT = 64;

/** Reads a line of the log, without its line feed. Undefined for what is no entry, such as the remains of a crash. */
export function parseLogEntry(line: Buffer): LogEntry | undefined {
  const head = line.subarray(0, HEAD_LIMIT);
  let end = 0;
  for (let blanks = 0; blanks < 3; blanks += 1) {
    end = head.indexOf(0x20, end) + 1;
    if (end === 0) return undefined;
  }
  const [, written = '', stream, tag] = HEAD.exec(head.toString('latin1', 0, end)) ?? [];
  if (stream === undefined) return undefined;
  const stamp = toUtc(written);
  if (stamp === undefined) return undefined;
  return {
    stream: stream as OutputStream,
    ...stamp,
    complete: tag === 'F',
    text: line.subarray(end),
  };
}

/** conmon writes local time with its offset. */
function toUtc(written: string): { readonly timestamp: string; readonly time: number } | undefined {
  const parts = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{1,9})(Z|[+-]\d\d:\d\d)$/.exec(written);
  if (parts === null) return undefined;
  const [, seconds = '', fraction = '', zone = ''] = parts;
  const whole = Date.parse(`${seconds}${zone}`);
  if (Number.isNaN(whole)) return undefined;
  const nanoseconds = fraction.padEnd(9, '0');
  return {
    timestamp: `${new Date(whole).toISOString().slice(0, 19)}.${nanoseconds}Z`,
    time: whole + Number(nanoseconds) / 1e6,
  };
}
