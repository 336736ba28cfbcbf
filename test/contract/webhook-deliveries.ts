import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { ToldEvent, WaitingEvent } from '../../storage/catalog/webhook-catalog.ts';
import type { BrowseHarness } from './browse.ts';

const HOOK = {
  url: 'https://ci.example/',
  events: ['push'],
  pattern: '*',
  secret: 'sixteen or more characters',
} as const;

function eventOf(number: number): WaitingEvent {
  const id = `${number}`;
  const event: ToldEvent = { id, action: 'push', repository: 'team/app', at: '', tag: id, count: 1 };
  return { id, event };
}

/** What a Catalog stores of deliveries, which nobody sees by its methods; see storage/catalog/webhooks.ts. */
export function describeWebhookDeliveries(name: string, open: () => Promise<BrowseHarness>): void {
  describe(`${name}: rows of deliveries`, () => {
    let harness: BrowseHarness;
    let chat: number;
    let scan: number;

    beforeEach(async () => {
      harness = await open();
      const { webhooks } = harness.catalog;
      const make = async (hook: string) => {
        await webhooks.create({ ...HOOK, name: hook });
        return (await webhooks.find(hook))?.id ?? assert.fail();
      };
      chat = await make('chat');
      scan = await make('scan');
      for (const number of [1, 2, 3]) await webhooks.told(scan, eventOf(number));
    });

    afterEach(() => harness.close());

    const tagsOf = (id: number): Promise<readonly string[]> =>
      harness.knex('webhook_deliveries').where({ webhook_id: id }).orderBy('id').pluck('tag');

    test('are the latest 50 of each webhook, one for each event', async () => {
      const { webhooks } = harness.catalog;
      for (let number = 0; number < 60; number += 1) await webhooks.failed(chat, eventOf(number), 'no');
      const latest = Array.from({ length: 50 }, (_, index) => `${index + 10}`);
      assert.deepEqual(await tagsOf(chat), latest);
      for (let attempt = 0; attempt < 3; attempt += 1) await webhooks.failed(chat, eventOf(10), 'no');
      assert.deepEqual(await tagsOf(chat), [...latest.slice(1), '10']);
      await webhooks.told(chat, eventOf(60));
      assert.deepEqual(await tagsOf(chat), [...latest.slice(2), '10', '60']);
      assert.deepEqual(await tagsOf(scan), ['1', '2', '3']);
    });

    test('go with their webhook, and none comes after it', async () => {
      const { webhooks } = harness.catalog;
      for (const number of [1, 2]) await webhooks.failed(chat, eventOf(number), 'no');
      assert.equal(await webhooks.remove('chat'), true);
      assert.deepEqual(await tagsOf(chat), []);
      // A delivery may have been under way.
      await webhooks.told(chat, eventOf(1));
      await webhooks.failed(chat, eventOf(2), 'no');
      assert.deepEqual(await tagsOf(chat), []);
      assert.deepEqual(await tagsOf(scan), ['1', '2', '3']);
      await webhooks.remove('scan');
      assert.deepEqual(await harness.knex('webhook_deliveries'), []);
    });
  });
}
