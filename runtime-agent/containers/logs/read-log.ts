import type { LogLine, LogOptions, OutputStream } from '../containers.ts';
import { LogChain } from './log-chain.ts';
import { LogGrowth } from './log-growth.ts';

/** One line of conmon's log (the Kubernetes CRI log format). */
interface LogEntry {
  readonly stream: OutputStream;
  /** RFC 3339 with nanoseconds, UTC. */
  readonly timestamp: string;
  /** Milliseconds since 1970, with fractions. */
  readonly time: number;
  /** False if the next entry of the stream continues the line. */
  readonly complete: boolean;
  readonly text: Buffer;
}

const HEAD = /^(\S+) (stdout|stderr) ([FP]) $/;
const HEAD_LIMIT = 64;

/**
 * Parses a line of the log, without its line feed. Returns undefined for invalid lines, such as a partial one after a
 * crash.
 */
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

/** Converts to UTC: conmon writes local time with its offset. */
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

const BLOCK = 64 * 1024;
const LINE_FEED = 0x0a;
/** Maximum bytes of a line; a longer one is split, so that output without line feeds cannot fill memory. */
const LONGEST = 1 << 20;

/**
 * Yields the lines of a container's log that `options` select, oldest first. With `follow` it continues until `ended`
 * settles and everything written before has been read. Memory is bounded for any length of log and line. A missing log
 * counts as empty. Throws the reason of `signal` when that aborts.
 */
export async function* readLog(
  path: string,
  options: LogOptions,
  ended: Promise<unknown>,
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  const growth = options.follow ? LogGrowth.at(path, ended, signal) : undefined;
  const chain = await LogChain.open(path, options.tail);
  const joiner = new LineJoiner();
  try {
    for await (const entry of readEntries(chain, growth, signal)) {
      const joined = joiner.add(entry);
      if (joined === undefined) continue;
      if (options.until !== undefined && joined.time > options.until) return;
      if (isWanted(joined, options)) yield joined.line;
    }
    for (const joined of joiner.rest()) if (isWanted(joined, options)) yield joined.line;
  } finally {
    growth?.close();
    await chain.close();
  }
}

function isWanted({ line, time }: { line: LogLine; time: number }, options: LogOptions): boolean {
  if (options.since !== undefined && time < options.since) return false;
  if (options.until !== undefined && time > options.until) return false;
  return options[line.stream];
}

async function* readEntries(
  chain: LogChain,
  growth: LogGrowth | undefined,
  signal: AbortSignal,
): AsyncGenerator<LogEntry> {
  let rest = Buffer.alloc(0);
  for (;;) {
    signal.throwIfAborted();
    // Read before the file, so that an end of file after it is the end of the log.
    const wasEnded = growth?.hasEnded ?? true;
    const block = Buffer.allocUnsafe(BLOCK);
    const bytesRead = await chain.read(block);
    if (bytesRead === 0) {
      if (growth !== undefined && (await chain.advance())) continue;
      if (wasEnded) return;
      await growth?.next();
      continue;
    }
    const data =
      rest.length === 0 ? block.subarray(0, bytesRead) : Buffer.concat([rest, block.subarray(0, bytesRead)]);
    let from = 0;
    for (let end = data.indexOf(LINE_FEED); end >= 0; end = data.indexOf(LINE_FEED, from)) {
      const entry = parseLogEntry(data.subarray(from, end));
      if (entry !== undefined) yield entry;
      from = end + 1;
    }
    rest = data.subarray(from);
  }
}

interface Partial {
  readonly first: LogEntry;
  readonly parts: Buffer[];
  length: number;
}

/** Joins the partial entries of each stream to lines. */
export class LineJoiner {
  readonly #open = new Map<OutputStream, Partial>();

  /** Returns the line that this entry completes, with the time of its first part; undefined if it is still partial. */
  add(entry: LogEntry): { readonly line: LogLine; readonly time: number } | undefined {
    const open = this.#open.get(entry.stream) ?? { first: entry, parts: [], length: 0 };
    open.parts.push(entry.text);
    open.length += entry.text.length;
    if (!entry.complete && open.length < LONGEST) {
      this.#open.set(entry.stream, open);
      return undefined;
    }
    this.#open.delete(entry.stream);
    return toLine(open, entry.complete);
  }

  /** Returns the last lines without a line feed. */
  rest(): readonly { readonly line: LogLine; readonly time: number }[] {
    const lines = [...this.#open.values()].map((open) => toLine(open, false));
    this.#open.clear();
    return lines.sort((a, b) => a.time - b.time);
  }
}

function toLine({ first, parts }: Partial, complete: boolean) {
  const data = Buffer.concat(complete ? [...parts, Buffer.of(LINE_FEED)] : parts);
  return { line: { stream: first.stream, timestamp: first.timestamp, data }, time: first.time };
}
