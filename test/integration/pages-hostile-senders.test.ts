import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { openDatabase } from '../../storage/catalog/database.ts';
import { KnexWebhooks } from '../../storage/catalog/webhooks.ts';
import { type ObedientHost, obey, openWorld } from '../support/fleet-world.ts';
import { HOSTILE, HOSTILE_IN_ONE, STRANGERS } from '../support/hostile-texts.ts';
import { FACTS } from '../support/joined-host.ts';
import { logIn, startPageBrowser } from '../support/page-browser.ts';
import { waitUntil } from '../support/wait-until.ts';

/** Those that hosts may send: without control characters. */
const SENT = HOSTILE.filter((text) => !/[\p{Cc}\p{Cf}]/u.test(text));
/** Those that may stand in an address of a webhook. */
const IN_ADDRESS = SENT.filter((text) => !/\s/.test(text));

describe('pages and hostile hosts, receivers of webhooks, and addresses', async () => {
  const world = await openWorld({ after }, [], { webhookPrivate: true });
  const { registry } = world;
  const { url } = registry;
  const hosts: ObedientHost[] = [];
  for (const [index, text] of SENT.entries()) {
    const facts = { ...FACTS, version: text, operatingSystem: text };
    const host = await obey(registry, `host-${index}`, {}, facts);
    host.reason = SENT.join(' ');
    host.logLines.push(...SENT);
    hosts.push(host);
  }
  /** Deploys an image that no host can run; each says why. */
  const deploy = async (text: string) => {
    const digest = await world.push(text);
    for (const host of hosts) host.breaks.add(digest);
    const answer = await world.deploy();
    assert.equal(answer.status, 201, await answer.text());
  };
  await world.push('zero');
  assert.equal((await world.deploy()).status, 201);
  await world.ended();
  await deploy('first');
  await world.ended();
  const browser = await startPageBrowser({ after });
  const { page } = await browser.open();
  await logIn(page, url);

  const shows = async (path: string, texts: readonly string[] = []) => {
    const answer = await page.goto(url + path);
    assert.match(answer?.headers()['content-type'] ?? '', /^text\/html/, path);
    assert.ok((answer?.status() ?? 500) < 500, path);
    assert.deepEqual(await page.evaluate(STRANGERS), [], path);
    assert.equal(new URL(page.url()).origin, url, path);
    const shown = (await page.locator('main').textContent()) ?? '';
    for (const text of texts) assert.ok(shown.includes(text), `${path} shows ${text}`);
  };

  test('what hosts say of themselves, of apps and in logs is text', async () => {
    await shows('/hosts');
    for (const [index, text] of SENT.entries()) await shows(`/hosts/one?name=host-${index}`, [text]);
    await shows('/apps');
    await shows('/apps/one?app=team%2Fshop', [SENT[0] ?? '']);
    await shows('/apps/logs?app=team%2Fshop', SENT);
    await shows('/admin/audit');
    await page.goto(`${url}/apps/one?app=team%2Fshop`);
    const releases = page.getByRole('rowheader', { name: /^\d+$/ });
    const before = await releases.count();
    await deploy('second');
    await waitUntil('the page shows the new release', async () => (await releases.count()) > before);
    assert.deepEqual(await page.evaluate(STRANGERS), []);
    await page.goto('about:blank');
  });

  test('addresses of webhooks, and why deliveries failed, are text', async (t) => {
    const knex = await openDatabase({ file: join(registry.data, 'catalog.sqlite') });
    t.after(() => knex.destroy());
    const webhooks = new KnexWebhooks(knex);
    const receiver = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () =>
        socket.end(`HTTP/1.1 400 ${SENT[0]}\r\nX-A: ${SENT[1]}\r\n\r\n${HOSTILE_IN_ONE}`),
      );
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    t.after(() => receiver.close());
    const address = receiver.address();
    const at = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
    const hook = { events: ['pull'], pattern: 'none/*' };
    assert.equal(
      (await registry.manage('POST', '/webhooks', { ...hook, name: 'x', url: HOSTILE[4] })).status,
      400,
    );
    for (const [number, text] of IN_ADDRESS.entries()) {
      const name = `hook-${number}`;
      const made = await registry.manage('POST', '/webhooks', { ...hook, name, url: `${at}/${text}` });
      assert.equal(made.status, 201, await made.text());
      const { id } = (await webhooks.find(name)) ?? assert.fail();
      for (const [index, told] of HOSTILE.entries()) {
        const failure = told.replaceAll('\0', '');
        const event = {
          id: `${index}`,
          action: 'push',
          repository: failure,
          tag: failure,
          at: '',
          count: 1,
        } as const;
        await webhooks.failed(id, { id: `${index}`, event }, failure);
      }
      await shows(`/admin/webhooks/one?name=${name}`, [text, ...SENT]);
      await page.getByRole('button', { name: 'Test', exact: true }).click();
      await page.getByText('The test event was not delivered: the receiver answered 400').waitFor();
      assert.deepEqual(await page.evaluate(STRANGERS), []);
    }
    await shows('/admin/webhooks', IN_ADDRESS);
  });

  test('what stands in the address of a page is text', async () => {
    for (const told of [SENT.join(' '), HOSTILE[4], HOSTILE[9]]) {
      const text = encodeURIComponent(told ?? '');
      for (const path of [
        `/tags?q=${text}`,
        `/tags?q=m&after=${text}`,
        `/hosts/one?name=${text}`,
        `/hosts/drain?name=${text}`,
        `/hosts/remove?name=${text}`,
        `/hosts?done=${text}`,
        `/apps/one?app=${text}`,
        `/apps/one?app=team%2Fshop&before=${text}`,
        `/apps/logs?app=team%2Fshop&service=${text}`,
        `/apps/rollback?app=${text}&to=${text}`,
        `/apps/restart?app=${text}`,
        `/admin/webhooks/one?name=${text}`,
        `/admin/webhooks/remove?name=${text}`,
        `/admin/tag-rules/remove?pattern=${text}&tags=${text}`,
        `/admin/quotas/remove?pattern=${text}`,
        `/admin/teams/one?team=${text}`,
        `/admin/robots/renew?name=${text}`,
        `/admin/jobs/remove?name=${text}`,
        `/admin/providers/remove?name=${text}`,
      ]) {
        await shows(path);
      }
    }
    await shows(`/tags?q=${encodeURIComponent(SENT[1] ?? '')}`, [SENT[1] ?? '']);
  });

  test('no script of theirs ran, and none failed', () => {
    assert.deepEqual(
      browser.errors.filter((line) => !/the server responded with a status of (?:4|502)/.test(line)),
      [],
    );
  });
});
