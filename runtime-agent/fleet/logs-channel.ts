import { LogPosition } from '../../fleet/log-position.ts';
import { type ChannelRequest, LONGEST_ENTRY, type LogEntry } from '../../fleet/messages.ts';
import type { LogLine } from '../containers/containers.ts';
import type { Channel, ChannelsDeps } from './channel.ts';
import { LABELS } from './create-body.ts';
import type { FoundInstance } from './read-app.ts';

const LINE_FEED = 0x0a;

type LogsRequest = ChannelRequest & { readonly kind: 'logs' };

/**
 * Sends the lines of an app's instances with their origin: existing ones ordered by time, and with `follow` new ones,
 * including those of instances that start later. Ends after the last line, or with the channel.
 */
export async function sendLogs(deps: ChannelsDeps, request: LogsRequest, channel: Channel): Promise<void> {
  const { engine, find } = deps;
  const { app, follow, tail, since } = request;
  const followed = new Set<string>();
  const running = new Set<Promise<void>>();
  const wanted = async () => (await find(app)).filter((one) => isWanted(one, request));
  const lines = (id: string, options: { readonly follow: boolean; readonly since?: number }) =>
    engine.containers.logs(
      id,
      {
        stdout: true,
        stderr: true,
        ...(tail !== undefined && { tail }),
        ...(since !== undefined && { since }),
        ...options,
      },
      channel.signal,
    );
  const present = await wanted();
  if (!follow) {
    await merge(
      await Promise.all(present.map(async (one) => entries(one, await lines(one.info.id, { follow })))),
      (entry) => send(channel, entry),
    );
    channel.send('end');
    return;
  }
  /** By instance: after a restart the log continues, and is read from its start. */
  const positions = new Map<string, LogPosition>();
  const followOne = async (found: FoundInstance) => {
    const { id } = found.info;
    const position = positions.get(id) ?? new LogPosition();
    positions.set(id, position);
    position.rewind();
    for await (const entry of entries(found, await lines(id, { follow }))) {
      if (position.take(entry.time)) await send(channel, entry);
    }
  };
  const begin = (found: FoundInstance) => {
    if (followed.has(found.info.id)) return;
    followed.add(found.info.id);
    const work = followOne(found)
      .catch(() => undefined)
      .finally(() => {
        running.delete(work);
        followed.delete(found.info.id);
      });
    running.add(work);
  };
  const unsubscribe = engine.events.subscribe(({ type, action, id, attributes }) => {
    if (type !== 'container' || action !== 'start' || attributes[LABELS.app] !== app) return;
    void wanted().then((all) => {
      for (const one of all) if (one.info.id === id) begin(one);
    });
  });
  try {
    for (const one of present) begin(one);
    await new Promise<void>((resolve) => {
      if (channel.signal.aborted) resolve();
      channel.signal.addEventListener('abort', () => resolve(), { once: true });
    });
  } finally {
    unsubscribe();
  }
}

function isWanted({ info, stored }: FoundInstance, { service, instance }: LogsRequest): boolean {
  if (service !== undefined && stored.spec.name !== service) return false;
  return instance === undefined || Number(info.config.Labels[LABELS.instance]) === instance;
}

async function* entries(
  { info, stored }: FoundInstance,
  lines: AsyncIterable<LogLine>,
): AsyncGenerator<LogEntry> {
  const { Labels } = info.config;
  const [instance, release] = [Number(Labels[LABELS.instance]), Number(Labels[LABELS.release])];
  for await (const { stream, timestamp, data } of lines) {
    const entry = { service: stored.spec.name, instance, release, stream, time: timestamp };
    const bytes = Buffer.from(data);
    let rest = bytes.at(-1) === LINE_FEED ? bytes.subarray(0, -1) : bytes;
    for (; rest.length > LONGEST_ENTRY; rest = rest.subarray(pieceOf(rest)))
      yield { ...entry, line: rest.subarray(0, pieceOf(rest)).toString('utf8'), partial: true };
    yield { ...entry, line: rest.toString('utf8') };
  }
}

/** Returns the length of the first piece of a long line, which ends on a character boundary. */
function pieceOf(line: Uint8Array): number {
  let length = LONGEST_ENTRY;
  // At most three bytes of a character follow its first (RFC 3629).
  while (length > LONGEST_ENTRY - 4 && ((line[length] ?? 0) & 0xc0) === 0x80) length -= 1;
  return length;
}

async function send(channel: Channel, entry: LogEntry): Promise<void> {
  await channel.data('data', Buffer.from(`${JSON.stringify(entry)}\n`));
}

/** Merges streams, earliest entry first; one entry of each is buffered. */
async function merge(
  streams: readonly AsyncGenerator<LogEntry>[],
  use: (entry: LogEntry) => Promise<void>,
): Promise<void> {
  const heads = await Promise.all(streams.map((stream) => stream.next()));
  for (;;) {
    let first = -1;
    for (const [index, head] of heads.entries()) {
      if (head.done) continue;
      const best = heads[first];
      if (best === undefined || best.done || head.value.time < best.value.time) first = index;
    }
    const head = heads[first];
    const stream = streams[first];
    if (head === undefined || head.done || stream === undefined) return;
    await use(head.value);
    heads[first] = await stream.next();
  }
}
