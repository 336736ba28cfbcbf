import { CHANNEL_WINDOW, type LogEntry } from '../../fleet/messages.ts';
import { HostInputError, integerOf, objectOf, plainText, textOf } from '../../fleet/read-host.ts';
import type { HostChannel, HostFrame } from './host-channel.ts';

/** A line of an instance, or the reason why a host sends none. */
export type LogLine =
  | (LogEntry & { readonly host: string })
  | { readonly host: string; readonly error: string };

/** Maximum bytes of a line: the window, beyond which it would never be complete. */
const LONGEST_LINE = CHANNEL_WINDOW;
const LONGEST_ERROR = 1_000;

/**
 * Yields the lines that a host sends over a channel, until it ends or `signal` aborts, which also ends the channel,
 * with or without a reader. The host gets credit when its lines were read, so a slow reader costs no memory.
 */
export function logLines(channel: HostChannel, host: string, signal: AbortSignal): AsyncGenerator<LogLine> {
  const frames: HostFrame[] = [];
  let arrived = Promise.withResolvers<void>();
  const take = (frame: HostFrame) => {
    frames.push(frame);
    arrived.resolve();
  };
  channel.receive(take);
  const stop = () => {
    channel.close();
    take({ kind: 'close', payload: Buffer.alloc(0) });
  };
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  const next = async (): Promise<HostFrame> => {
    for (;;) {
      const frame = frames.shift();
      if (frame !== undefined) return frame;
      await arrived.promise;
      arrived = Promise.withResolvers();
    }
  };
  return readLines(channel, host, next, () => signal.removeEventListener('abort', stop));
}

async function* readLines(
  channel: HostChannel,
  host: string,
  next: () => Promise<HostFrame>,
  done: () => void,
): AsyncGenerator<LogLine> {
  let rest = '';
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { kind, payload } = await next();
      if (kind === 'end' || kind === 'close') return;
      if (kind === 'error') {
        yield { host, error: plainText(payload.toString('utf8').slice(0, LONGEST_ERROR)) };
      }
      if (kind !== 'data') continue;
      const lines = (rest + decoder.decode(payload, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield readLine(line, host);
      if (rest.length > LONGEST_LINE) throw new HostInputError('a line is too long');
      channel.allow(payload.length);
    }
  } catch (error) {
    if (!(error instanceof HostInputError)) throw error;
    yield { host, error: `the host sent no log: ${error.message}` };
  } finally {
    done();
    channel.close();
  }
}

/** Parses a line. A host is trusted for the output of its instances, but not for its own name. */
function readLine(text: string, host: string): LogLine {
  const entry = objectOf(parse(text), 'an entry');
  const { line, partial, stream } = entry;
  if (typeof line !== 'string') throw new HostInputError('line must be a text');
  return {
    host,
    service: textOf(entry.service, 'service'),
    instance: integerOf(entry.instance, 'instance'),
    release: integerOf(entry.release, 'release'),
    stream: stream === 'stderr' ? stream : 'stdout',
    time: textOf(entry.time, 'time', 64),
    line,
    ...(partial === true && { partial }),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new HostInputError('an entry must be JSON', { cause });
  }
}

/** Merges the lines of several hosts by their time; one line of each is buffered. */
export async function* mergeLogs(sources: readonly AsyncGenerator<LogLine>[]): AsyncGenerator<LogLine> {
  const heads = await Promise.all(sources.map((source) => source.next()));
  for (;;) {
    let first = -1;
    let earliest = '';
    for (const [index, { done, value }] of heads.entries()) {
      if (done) continue;
      const time = timeOf(value);
      if (first >= 0 && time >= earliest) continue;
      [first, earliest] = [index, time];
    }
    const [head, source] = [heads[first], sources[first]];
    if (head === undefined || head.done || source === undefined) return;
    yield head.value;
    heads[first] = await source.next();
  }
}

/** Returns the last lines, up to a number of lines and of characters together. */
export async function lastLines(
  lines: AsyncIterable<LogLine>,
  limit: { readonly count: number; readonly text: number },
): Promise<{ readonly lines: readonly LogLine[]; readonly isCut: boolean }> {
  const last: LogLine[] = [];
  let size = 0;
  let isCut = false;
  for await (const line of lines) {
    last.push(line);
    size += lengthOf(line);
    while (last.length > limit.count || size > limit.text) {
      isCut ||= size > limit.text;
      const first = last.shift();
      if (first !== undefined) size -= lengthOf(first);
    }
  }
  return { lines: last, isCut };
}

function lengthOf(line: LogLine): number {
  return ('line' in line ? line.line : line.error).length;
}

function timeOf(line: LogLine): string {
  return 'time' in line ? line.time : '';
}
