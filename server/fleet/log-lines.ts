import { CHANNEL_WINDOW, type LogEntry } from '../../fleet/messages.ts';
import { HostInputError, integerOf, objectOf, plainText, textOf } from '../../fleet/read-host.ts';
import type { HostChannel } from './host-channel.ts';

/** A line of an instance, or why a host gives none. */
export type LogLine =
  | (LogEntry & { readonly host: string })
  | { readonly host: string; readonly error: string };

/** Bytes of a line: the window, which would never get to its end otherwise. */
const LONGEST_LINE = CHANNEL_WINDOW;
const LONGEST_ERROR = 1_000;

/**
 * The lines that a host sends over a channel, until it ends or `signal` aborts. The host is allowed more when what it has
 * sent was read, so a slow reader costs no memory.
 */
export async function* logLines(
  channel: HostChannel,
  host: string,
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  const frames: { readonly kind: string; readonly payload: Buffer }[] = [];
  let arrived = Promise.withResolvers<void>();
  channel.onFrame = (frame) => {
    frames.push(frame);
    arrived.resolve();
  };
  const stop = () => {
    channel.close();
    channel.onFrame({ kind: 'close', payload: Buffer.alloc(0) });
  };
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  let rest = '';
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const frame = frames.shift();
      if (frame === undefined) {
        await arrived.promise;
        arrived = Promise.withResolvers();
        continue;
      }
      const { kind, payload } = frame;
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
    signal.removeEventListener('abort', stop);
    channel.close();
  }
}

/** A host is believed what its instances wrote, and not who it is. */
function readLine(text: string, host: string): LogLine {
  const entry = objectOf(parse(text), 'an entry');
  const { line, stream } = entry;
  if (typeof line !== 'string') throw new HostInputError('line must be a text');
  return {
    host,
    service: textOf(entry.service, 'service'),
    instance: integerOf(entry.instance, 'instance'),
    release: integerOf(entry.release, 'release'),
    stream: stream === 'stderr' ? stream : 'stdout',
    time: textOf(entry.time, 'time', 64),
    line,
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new HostInputError('an entry must be JSON', { cause });
  }
}

/** The lines of several hosts: by their time, or with `follow` as they come. */
export async function* mergeLogs(
  sources: readonly AsyncGenerator<LogLine>[],
  follow: boolean,
): AsyncGenerator<LogLine> {
  const next = (source: AsyncGenerator<LogLine>) => source.next().then((result) => ({ source, result }));
  const heads = new Map(sources.map((source) => [source, next(source)]));
  while (heads.size > 0) {
    const ready = follow ? [await Promise.race(heads.values())] : await Promise.all(heads.values());
    for (const { source, result } of ready) if (result.done) heads.delete(source);
    const [first] = ready
      .filter(({ result }) => !result.done)
      .sort((a, b) => compareTimes(a.result, b.result));
    if (first === undefined) continue;
    heads.set(first.source, next(first.source));
    yield first.result.value;
  }
}

function compareTimes(one: IteratorResult<LogLine>, other: IteratorResult<LogLine>): number {
  const [a, b] = [timeOf(one.value), timeOf(other.value)];
  return a < b ? -1 : a > b ? 1 : 0;
}

function timeOf(line: LogLine): string {
  return 'time' in line ? line.time : '';
}
