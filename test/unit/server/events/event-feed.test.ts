import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { pino } from 'pino';
import { ANONYMOUS, type Identity } from '../../../../auth/access/access.ts';
import { RegistryError } from '../../../../server/errors.ts';
import { EventFeed } from '../../../../server/events/event-feed.ts';
import { EventIds } from '../../../../server/events/event-ids.ts';
import type { FeedEvent } from '../../../../server/events/feed-event.ts';
import { ReaderLimits } from '../../../../server/events/reader-limits.ts';
import type { AuditEvent } from '../../../../storage/catalog/audit-catalog.ts';
import { DatabaseUnavailableError } from '../../../../storage/errors.ts';
import { waitUntil } from '../../../support/wait-until.ts';

const KEY = randomBytes(32);

test('IDs: a holder of the key opens them within ten minutes, nobody else does', async () => {
  let now = 1_000_000;
  const at = () => now;
  const ids = new EventIds(async () => [KEY], at);
  const sealed = await ids.seal('123456789012345678');
  assert.equal(await new EventIds(async () => [randomBytes(32), KEY], at).open(sealed), '123456789012345678');
  assert.equal(await new EventIds(async () => [randomBytes(32)], at).open(sealed), undefined);
  const flipped = Buffer.from(sealed, 'base64url');
  flipped.writeUInt8(flipped.readUInt8(14) ^ 1, 14);
  for (const wrong of [
    '',
    '0',
    sealed.slice(1),
    `${sealed}A`,
    flipped.toString('base64url'),
    `\n${sealed.slice(1)}`,
  ]) {
    assert.equal(await ids.open(wrong), undefined, wrong);
  }
  now += 600_001;
  assert.equal(await ids.open(sealed), undefined);
});

test('limits: of an account, an address, visitors and all; a reader who leaves makes room once', () => {
  const limits = new ReaderLimits({ all: 5, anonymous: 2, perAccount: 2, perAddress: 3 });
  const enter = (account: string | undefined, address: string) => limits.enter({ account, address });
  const refused = (account: string | undefined, address: string, kind: string) =>
    assert.throws(
      () => enter(account, address),
      (error) => error instanceof RegistryError && error.kind === kind,
    );
  const leave = enter('ada', '192.0.2.1');
  enter('ada', '192.0.2.1');
  refused('ada', '192.0.2.2', 'TOO_MANY_REQUESTS');
  enter('bob', '192.0.2.1');
  refused('eve', '192.0.2.1', 'TOO_MANY_REQUESTS');
  // A network of IPv6 is one address.
  enter(undefined, '2001:db8::1');
  enter(undefined, '2001:db8::2');
  refused(undefined, '192.0.2.9', 'TOO_MANY_CONNECTIONS');
  refused('eve', '192.0.2.9', 'TOO_MANY_CONNECTIONS');
  leave();
  leave();
  assert.equal(limits.size, 4);
  refused(undefined, '192.0.2.9', 'TOO_MANY_CONNECTIONS');
  enter('eve', '192.0.2.9');
  refused('ada', '192.0.2.9', 'TOO_MANY_CONNECTIONS');
});

/** A record of pushes, and a feed over it. */
function feedOver(heartbeat?: number) {
  const ids = new EventIds(async () => [KEY]);
  const entries: AuditEvent[] = [];
  let failure: Error | undefined;
  /** What an answer of the record waits for. */
  let held: Promise<void> | undefined;
  const push = (...tags: readonly string[]) => {
    for (const tag of tags) {
      const id = String(entries.length + 1);
      const image = { repository: 'team/app', mediaType: 'x', tag } as const;
      entries.push({ id, at: new Date(0), action: 'push', outcome: 'done', count: 1, ...image });
    }
  };
  const audit = {
    latest: async () => entries.slice(-1),
    window: async ({ after = '0', limit }: { readonly after?: string; readonly limit: number }) => {
      if (failure !== undefined) throw failure;
      const events = entries.slice(Number(after), Number(after) + limit);
      const last = events.length === limit ? events.at(-1)?.id : undefined;
      const answer = { events, ...(last !== undefined && { lookedUpTo: last }) };
      const wait = held;
      held = undefined;
      await wait;
      return answer;
    },
  };
  const log = pino({ level: 'silent' });
  const feed = new EventFeed({ audit, ids, log, ...(heartbeat !== undefined && { heartbeat }) });
  const read = (
    options: {
      readonly lastId?: string;
      readonly identify?: () => Promise<Identity | undefined>;
      readonly sight?: (event: FeedEvent) => boolean;
    } = {},
  ) => {
    const body = new PassThrough();
    const { identify = async () => ANONYMOUS, lastId, sight = () => true } = options;
    const gone = new AbortController();
    const terms = { identity: ANONYMOUS, identify, sightOf: () => sight, isAsked: () => true, lastId, body };
    const ended = feed.serve(terms, gone.signal);
    let received = '';
    return {
      body,
      ended,
      leave: () => gone.abort(),
      listen: () => void body.setEncoding('utf8').on('data', (chunk: string) => (received += chunk)),
      tags: () => [...received.matchAll(/"tag":"(\w+)"/g)].map(([, tag]) => tag).join(' '),
      received: () => received,
    };
  };
  return {
    ids,
    feed,
    push,
    read,
    /** Holds the next answer back, which has been read by then. */
    hold: (until: Promise<void>) => {
      held = until;
    },
    fail: (error: Error | undefined) => {
      failure = error;
    },
  };
}

test('nobody misses an event or gets one twice, whenever he comes and however many there are', async () => {
  const { feed, ids, push, read } = feedOver();
  push('a', 'b');
  const early = read();
  early.listen();
  await waitUntil('the first one reads', () => early.received().includes('id: '));
  push(...Array.from({ length: 120 }, (_, index) => `c${index}`));
  const late = read({ lastId: await ids.seal('1') });
  late.listen();
  push('d');
  const all = Array.from({ length: 120 }, (_, index) => `c${index}`).join(' ');
  await waitUntil('both have all', () => [early, late].every((one) => one.tags().endsWith('d')));
  assert.equal(early.tags(), `${all} d`);
  assert.equal(late.tags(), `b ${all} d`);
  feed.close();
  await Promise.all([early.ended, late.ended]);
  assert.throws(() => feed.enter({ account: undefined, address: undefined }), { kind: 'SHUTTING_DOWN' });
});

test('one whose look at the record takes long gets what has come meanwhile', async () => {
  const { feed, hold, ids, push, read } = feedOver();
  const early = read();
  early.listen();
  await waitUntil('the first one reads', () => early.received().includes('id: '));
  push('a');
  await waitUntil('he has it', () => early.tags() === 'a');
  const { promise, resolve } = Promise.withResolvers<void>();
  hold(promise);
  const late = read({ lastId: await ids.seal('1') });
  late.listen();
  await waitUntil('the other one has begun', () => late.received() !== '');
  push('b');
  await waitUntil('the first one has it', () => early.tags() === 'a b');
  resolve();
  await waitUntil('the other one has it', () => late.tags() === 'b');
  feed.close();
  await Promise.all([early.ended, late.ended]);
});

test('rights are looked at before an event is given; who may read no longer has no stream', async () => {
  const { feed, push, read } = feedOver();
  let identity: Identity | undefined = ANONYMOUS;
  const sight = ({ data }: FeedEvent) => data.tag !== 'secret';
  const reader = read({ identify: async () => identity, sight });
  reader.listen();
  await waitUntil('he reads', () => reader.received().includes('id: '));
  push('a', 'secret', 'b');
  await waitUntil('he has what he may see', () => reader.tags() === 'a b');
  identity = undefined;
  push('c');
  await reader.ended;
  assert.equal(reader.tags(), 'a b');
  feed.close();
});

test('one who does not read is cut, and keeps nobody from what they get', async () => {
  const { feed, push, read } = feedOver();
  const [slow, quick] = [read(), read()];
  quick.listen();
  await waitUntil('he reads', () => quick.received().includes('id: '));
  let isOver = false;
  void slow.ended.then(() => {
    isOver = true;
  });
  let pushed = 0;
  await waitUntil('the slow one is cut', () => {
    push(...Array.from({ length: 50 }, (_, index) => `t${pushed + index + 1}`));
    pushed += 50;
    return isOver;
  });
  assert.ok(slow.body.destroyed);
  assert.ok(slow.body.writableLength < 80 * 1024);
  await waitUntil('the quick one has all', () => quick.tags().endsWith(` t${pushed}`));
  quick.leave();
  await quick.ended;
  feed.close();
});

test('a database that was away ends no stream and loses no event', async () => {
  const { fail, feed, push, read } = feedOver();
  const reader = read();
  reader.listen();
  await waitUntil('he reads', () => reader.received().includes('id: '));
  fail(new DatabaseUnavailableError('away'));
  push('a');
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, 1500);
  await promise;
  fail(undefined);
  await waitUntil('he has it', () => reader.tags() === 'a');
  reader.leave();
  await reader.ended;
  feed.close();
});

test('silence has comments, whose IDs go on past what a reader may not see', async () => {
  const { feed, ids, push, read } = feedOver(100);
  const reader = read({ sight: () => false });
  reader.listen();
  await waitUntil('he reads', () => reader.received().includes('id: '));
  push('secret');
  const last = () => ids.open(/.*id: (\S+)/s.exec(reader.received())?.[1] ?? '');
  await waitUntil(
    'he is past it',
    async () => reader.received().includes('\n: \n') && (await last()) === '1',
  );
  assert.doesNotMatch(reader.received(), /event:|data:/);
  feed.close();
  await reader.ended;
});

test('a reader who has missed very much loads anew; one who may see none of it cannot tell how much there was', async () => {
  const { feed, ids, push, read } = feedOver();
  push('a', ...new Array<string>(50_000).fill('b'));
  const lastId = await ids.seal('1');
  const blind = read({ lastId, sight: ({ data }) => data.tag === 'c' });
  blind.listen();
  push('c');
  await waitUntil('he has the one that he may see', () => blind.tags() === 'c');
  const [, first] = blind.received().split('\n\n');
  assert.equal(first, `id: ${lastId}`);
  assert.equal(blind.received().match(/^id: /gm)?.length, 2);
  push(...new Array<string>(51_000).fill('b'));
  const late = read({ lastId, sight: ({ data }) => data.tag === 'd' });
  late.listen();
  await waitUntil('the other one is told', () => late.received().includes('event: reset'));
  push('d');
  await waitUntil('he has what comes', () => late.tags() === 'd');
  feed.close();
  await Promise.all([blind.ended, late.ended]);
});

test('a place that the record has not got to, as after a restore, has its reader load anew', async () => {
  const { feed, ids, push, read } = feedOver();
  push('a');
  const reader = read({ lastId: await ids.seal('2') });
  reader.listen();
  await waitUntil('he is told', () => reader.received().includes('event: reset'));
  push('b');
  await waitUntil('he has what comes', () => reader.tags() === 'b');
  feed.close();
  await reader.ended;
});

test('names and details of others break out of no field', async () => {
  const { feed, push, read } = feedOver();
  const reader = read();
  await waitUntil('he reads', () => reader.body.readableLength > 70);
  push('x\n\nevent: reset\ndata: {}\n\n', '\r\nid: 1\r\n', '\u2028');
  await waitUntil('they have come', () => reader.body.readableLength > 400);
  feed.close();
  await reader.ended;
  const lines = (await text(reader.body)).split(/[\r\n]+/);
  assert.deepEqual(
    new Set(lines.map((line) => line.split(':')[0])),
    new Set(['retry', 'id', 'event', 'data', '']),
  );
  assert.equal(lines.filter((line) => line.startsWith('event: reset')).length, 0);
});
