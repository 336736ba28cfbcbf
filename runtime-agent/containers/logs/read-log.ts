import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { LogLine, LogOptions } from '../containers.ts';
import { LineJoiner } from './line-joiner.ts';
import { type LogEntry, parseLogEntry } from './log-entry.ts';
import { findTail } from './log-tail.ts';

const BLOCK = 64 * 1024;
const LINE_FEED = 0x0a;
/** Now and then a follower looks without having been woken, in case an event was lost (milliseconds). */
const RECHECK = 2_000;

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
  const file = await openLog(path);
  if (file === undefined) return;
  const joiner = new LineJoiner();
  try {
    const { size } = await file.stat();
    const start = options.tail === undefined ? 0 : await findTail(file, size, options.tail);
    for await (const entry of readEntries(file, path, start, options.follow ? ended : undefined, signal)) {
      const joined = joiner.add(entry);
      if (joined === undefined) continue;
      if (options.until !== undefined && joined.time > options.until) return;
      if (isWanted(joined, options)) yield joined.line;
    }
    for (const joined of joiner.rest()) if (isWanted(joined, options)) yield joined.line;
  } finally {
    await file.close();
  }
}

function isWanted({ line, time }: { line: LogLine; time: number }, options: LogOptions): boolean {
  if (options.since !== undefined && time < options.since) return false;
  if (options.until !== undefined && time > options.until) return false;
  return options[line.stream];
}

async function openLog(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function* readEntries(
  file: FileHandle,
  path: string,
  start: number,
  ended: Promise<unknown> | undefined,
  signal: AbortSignal,
): AsyncGenerator<LogEntry> {
  const growth = ended === undefined ? undefined : new Growth(path, ended, signal);
  let position = start;
  let rest = Buffer.alloc(0);
  try {
    for (;;) {
      signal.throwIfAborted();
      // Asked before the read, so that an end of file after it is the end of the log.
      const wasEnded = growth?.hasEnded ?? true;
      const block = Buffer.allocUnsafe(BLOCK);
      const { bytesRead } = await file.read(block, 0, BLOCK, position);
      if (bytesRead === 0) {
        if (wasEnded) break;
        await growth?.next();
        continue;
      }
      position += bytesRead;
      const data =
        rest.length === 0
          ? block.subarray(0, bytesRead)
          : Buffer.concat([rest, block.subarray(0, bytesRead)]);
      let from = 0;
      for (let end = data.indexOf(LINE_FEED); end >= 0; end = data.indexOf(LINE_FEED, from)) {
        const entry = parseLogEntry(data.subarray(from, end));
        if (entry !== undefined) yield entry;
        from = end + 1;
      }
      rest = data.subarray(from);
    }
  } finally {
    growth?.close();
  }
}

/** Wakes a follower when the log has grown, or the container has ended. */
class Growth {
  hasEnded = false;
  #grown = false;
  #wake: (() => void) | undefined;
  readonly #watcher: FSWatcher;
  readonly #timer: NodeJS.Timeout;
  readonly #signal: AbortSignal;
  readonly #onAbort = () => this.#notify();

  constructor(path: string, ended: Promise<unknown>, signal: AbortSignal) {
    this.#watcher = watch(path, { persistent: false }, () => this.#notify());
    this.#watcher.on('error', () => this.#watcher.close());
    this.#timer = setInterval(() => this.#notify(), RECHECK);
    this.#timer.unref();
    this.#signal = signal;
    signal.addEventListener('abort', this.#onAbort, { once: true });
    const end = () => {
      this.hasEnded = true;
      this.#notify();
    };
    ended.then(end, end);
  }

  async next(): Promise<void> {
    if (!this.#grown) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#grown = false;
    this.#wake = undefined;
  }

  close(): void {
    this.#watcher.close();
    clearInterval(this.#timer);
    this.#signal.removeEventListener('abort', this.#onAbort);
  }

  #notify(): void {
    this.#grown = true;
    this.#wake?.();
  }
}
