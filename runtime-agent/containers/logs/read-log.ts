import type { LogLine, LogOptions } from '../containers.ts';
import { LineJoiner } from './line-joiner.ts';
import { LogChain } from './log-chain.ts';
import { type LogEntry, parseLogEntry } from './log-entry.ts';
import { LogGrowth } from './log-growth.ts';

const BLOCK = 64 * 1024;
const LINE_FEED = 0x0a;

/**
 * The lines of a container's log that `options` ask for, oldest first. With `follow` it goes on until `ended` is settled and
 * everything written before that has been read. Memory stays bounded whatever the length of the log or of a line. A log
 * that is not there is an empty one. `signal` ends it by its reason.
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
    // Asked before the read, so that an end of file after it is the end of the log.
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
