import type { LogLine, OutputStream } from '../containers.ts';
import type { LogEntry } from './log-entry.ts';

/** A line that is longer is handed on in parts, so that output without line feeds cannot fill memory. */
const LONGEST = 1 << 20;
const LINE_FEED = Buffer.from('\n');

interface Partial {
  readonly first: LogEntry;
  readonly parts: Buffer[];
  length: number;
}

/** Makes lines of entries: those of one stream are joined up to the one that is complete. */
export class LineJoiner {
  readonly #open = new Map<OutputStream, Partial>();

  /** The line that this entry ends, with the time of its first part; undefined while it is not whole. */
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

  /** What the container wrote last without a line feed. */
  rest(): readonly { readonly line: LogLine; readonly time: number }[] {
    const lines = [...this.#open.values()].map((open) => toLine(open, false));
    this.#open.clear();
    return lines.sort((a, b) => a.time - b.time);
  }
}

function toLine({ first, parts }: Partial, complete: boolean) {
  const data = Buffer.concat(complete ? [...parts, LINE_FEED] : parts);
  return { line: { stream: first.stream, timestamp: first.timestamp, data }, time: first.time };
}
