import { request } from 'node:http';
import { type CleanupScope, defer } from './cleanup.ts';
import { waitUntil } from './wait-until.ts';

export interface ReceivedEvent {
  readonly id: string;
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A stream of server-sent events, read as a browser does (HTML standard, 9.2.6). */
export interface EventStream {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  /** Everything that has come. */
  text(): string;
  readonly events: readonly ReceivedEvent[];
  /** The ID from which it goes on. */
  lastId(): string;
  /** Whether the server has ended it. */
  hasEnded(): boolean;
  /** Waits until there are events of these names, in this order, and no others. */
  expect(...names: readonly string[]): Promise<readonly ReceivedEvent[]>;
  close(): void;
}

export interface EventStreamOptions {
  readonly authorization?: string;
  readonly cookie?: string;
  readonly lastId?: string;
  readonly query?: string;
  readonly localAddress?: string;
}

/** Opens `GET /api/v1/events`; resolves when the registry has said from where it goes on, or has refused it. */
export async function openEvents(
  scope: CleanupScope,
  url: string,
  { authorization, cookie, lastId, localAddress = '127.0.0.1', query = '' }: EventStreamOptions = {},
): Promise<EventStream> {
  let text = '';
  let read = 0;
  let id = '';
  let hasEnded = false;
  const events: ReceivedEvent[] = [];
  const take = (chunk: string) => {
    text += chunk;
    for (let end = text.indexOf('\n\n', read); end >= 0; end = text.indexOf('\n\n', read)) {
      const fields = new Map(
        text
          .slice(read, end)
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)] as const),
      );
      read = end + 2;
      id = fields.get('id') ?? id;
      const data = fields.get('data');
      if (data !== undefined) events.push({ id, name: fields.get('event') ?? '', data: JSON.parse(data) });
    }
  };
  const asked = request(`${url}/api/v1/events${query}`, {
    agent: false,
    localAddress,
    headers: {
      ...(authorization !== undefined && { authorization }),
      ...(cookie !== undefined && { cookie }),
      ...(lastId !== undefined && { 'Last-Event-ID': lastId }),
    },
  });
  defer(scope, () => {
    asked.destroy();
  });
  asked.end();
  const answer = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    asked.once('response', resolve).once('error', reject);
  });
  asked.on('error', () => {});
  answer.setEncoding('utf8').on('data', take);
  const end = () => {
    hasEnded = true;
  };
  answer.once('end', end).once('error', end).once('close', end);
  const status = answer.statusCode ?? 0;
  await waitUntil('the stream has begun', () => id !== '' || hasEnded);
  return {
    status,
    headers: answer.headers,
    text: () => text,
    events,
    lastId: () => id,
    hasEnded: () => hasEnded,
    expect: async (...names) => {
      const found = () => events.map(({ name }) => name);
      await waitUntil(`there are ${names.join(', ')} in ${text}`, () => events.length >= names.length).catch(
        (cause) => {
          throw new Error(`there are ${found().join(', ')} in place of ${names.join(', ')}`, { cause });
        },
      );
      if (found().join() !== names.join()) throw new Error(`there are ${found()} in place of ${names}`);
      return events;
    },
    close: () => {
      asked.destroy();
    },
  };
}
