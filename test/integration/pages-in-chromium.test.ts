import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { Locator, Page } from 'playwright-core';
import { logIn, startPageBrowser } from '../support/page-browser.ts';
import { openPageWorld } from '../support/page-world.ts';
import { ADMIN_PASSWORD } from '../support/registry-with-accounts.ts';
import { waitUntil } from '../support/wait-until.ts';

const FORM = 'application/x-www-form-urlencoded';

describe('pages in Chromium', async () => {
  const world = await openPageWorld({ after });
  const { pages: PAGES, registry } = world;
  const { url } = registry;
  const browser = await startPageBrowser({ after });

  const HOSTILE_LINE = '<img src=x onerror=alert(1)></pre><h1>x</h1> \u202e\u0007 end';
  world.hosts[0]?.logLines.push('hello from web', HOSTILE_LINE);

  test('no form of any page is taken from another site, or without the mark of the session', async () => {
    const { context, page } = await browser.open();
    await logIn(page, url);
    const actions = new Set<string>();
    for (const path of PAGES) {
      await page.goto(url + path);
      const found = await page.evaluate<readonly string[]>(
        `[...document.querySelectorAll('form[method=post]')].map((form) => form.getAttribute('action'))`,
      );
      for (const action of found) actions.add(action);
    }
    assert.ok(actions.size > 20, `${[...actions].join(' ')}`);
    const csrf = (await page.locator('input[name=csrf]').first().getAttribute('value')) ?? '';
    const cookie = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
    for (const action of actions) {
      for (const [origin, token] of [
        ['https://evil.example', csrf],
        [url, ''],
        [url, `${csrf.slice(0, -2)}xx`],
      ] as const) {
        const answer = await registry.send('POST', action, {
          headers: {
            accept: 'text/html',
            cookie,
            origin,
            'content-type': FORM,
          },
          body: new URLSearchParams({ csrf: token }).toString(),
        });
        assert.equal(answer.status, 403, `${action} from ${origin}`);
      }
    }
    await page.goto(url);
    await page.getByRole('button', { name: 'Log out' }).waitFor();
  });

  test('a form deploys what its sender may deploy, and no file whose variables have no values', async () => {
    const { context, page } = await browser.open();
    await logIn(page, url, 'ada');
    await page.goto(`${url}/apps`);
    const csrf = (await page.locator('#deploy input[name=csrf]').getAttribute('value')) ?? '';
    const cookie = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
    const deploy = (app: string, image: string) =>
      registry.send('POST', '/apps/deploy', {
        headers: { accept: 'text/html', cookie, origin: url, 'content-type': FORM },
        body: new URLSearchParams({
          csrf,
          app,
          compose: `services:\n  web:\n    image: ${image}\n`,
        }).toString(),
      });
    const { host } = new URL(url);
    assert.equal((await deploy('other/app', `${host}/team/web:main`)).status, 403);
    const hidden = await deploy('team/by-ada', `${host}/other/app:main`);
    assert.equal(hidden.status, 422);
    const unset = await deploy('team/by-ada', `${host}/team/web:\${TAG}`);
    assert.equal(unset.status, 422);
    assert.match(String(unset.body), /a variable has no value here/i);
    assert.equal((await registry.manage('GET', '/apps/team%2Fby-ada')).status, 404);
    assert.equal((await deploy('team/by-ada', `${host}/team/web:main`)).status, 303);
    assert.equal((await registry.manage('GET', '/apps/team%2Fby-ada')).status, 200);
    await page.goto('about:blank');
  });

  const WAYS = [
    { way: 'with script', script: true, follow: click, press: click },
    { way: 'without script', script: false, follow: click, press: click },
    { way: 'with the keyboard alone', script: true, follow: byKeyboard, press: byKeyboard },
  ] as const;

  for (const [turn, { follow, press, script, way }] of WAYS.entries()) {
    test(`somebody finds everything by links, ${way}`, async () => {
      const { page } = await browser.open({ script });
      const link = (name: string) => follow(page, page.getByRole('link', { name, exact: true }).first());
      const button = (name: string) => press(page, page.getByRole('button', { name, exact: true }).last());
      const fill = async (label: string, text: string) => {
        const field = page.getByLabel(label, { exact: true });
        await field.focus();
        await field.fill(text);
      };
      /** Says yes where it is asked first, in a dialog or on a page of its own. */
      const answer = async (name: string) => {
        const place = script ? page.getByRole('dialog') : page.locator('[data-question]');
        await press(page, place.getByRole('button', { name, exact: true }));
      };
      const says = (text: string) => page.getByText(text, { exact: true }).waitFor();
      const user = `user${turn}`;

      await page.goto(url);
      await link('Log in');
      await fill('Name', 'admin');
      await fill('Password', ADMIN_PASSWORD);
      await button('Log in');
      await link('Tags');
      await fill('Tag begins with', `tag${turn}`);
      await button('Search');
      await page.waitForURL(`${url}/tags?q=tag${turn}`);
      await link('team/app');
      await link(`tag${turn}`);
      await page.getByRole('heading', { name: 'Layers' }).waitFor();
      await press(page, page.getByText('Compare with another tag', { exact: true }));
      await fill('Tag or digest', 'other');
      await button('Compare');
      await link('Compare files');
      await page.getByText('A layer is not a tar').waitFor();
      await link(`tag${turn}`);
      await link('Delete');
      await page.getByText('after garbage collection').waitFor();
      await answer('Delete');
      await page.getByText('It is deleted.').waitFor();
      await link('Deleted tags');
      const deleted = page.getByRole('row', { name: `tag${turn}` });
      await press(page, deleted.getByRole('button', { name: 'Restore' }));
      await says('The tag is restored.');
      await page.getByRole('link', { name: `tag${turn}`, exact: true }).waitFor();
      await link('Access');
      await page.getByRole('row', { name: 'user:ada' }).waitFor();

      await link('admin');
      await fill('What it is for', `token ${turn}`);
      await button('Make a token');
      await says('It is shown this once: keep it now.');
      await link('Done');
      const row = page.getByRole('row', { name: `token ${turn}` });
      await follow(page, row.getByRole('link', { name: 'Revoke' }));
      await answer('Revoke');
      await says('The token is revoked.');

      await link('Administration');
      await fill('Name', user);
      await fill('Password (optional)', ADMIN_PASSWORD);
      await button('Add the user');
      await says('The user is added.');
      await fill('Name', user);
      await button('Add the user');
      await page.getByRole('alert').getByText('There is already an account named').waitFor();
      await link('Roles');
      await fill('Who', `user:${user}`);
      await fill('Repositories', `${user}/*`);
      await button('Give the role');
      await says('The role is given.');
      await link('Webhooks');
      await fill('Name', user);
      await fill('Address', 'https://chat.example/hook');
      await button('Add the webhook');
      await link('Done');
      await link(user);
      await page.getByRole('heading', { name: user }).waitFor();
      await link('Remove');
      await answer('Remove');
      await says('The webhook is removed.');
      await link('Audit');
      await page.getByText(`"${user}"`).first().waitFor();
      await link('Health');
      await says('Database and storage answer.');
      await link('Apps');
      await link('team/shop');
      await follow(page, page.getByRole('link', { name: 'Roll back' }).last());
      await answer('Roll back');
      await says('The rollback has begun.');
      await link('Apps');
      await fill('App', `team/new${turn}`);
      await fill('Compose file', 'services:\n  web:\n    imag: nothing\n');
      await button('Deploy');
      await page.getByRole('alert').getByText('services.web').waitFor();
      assert.match(await page.getByLabel('Compose file').inputValue(), /imag: nothing/);
      await page.goto(`${url}/repositories/team/web/-/tags/main`);
      await link('Deploy');
      assert.match(await page.getByLabel('Compose file').inputValue(), /image: ".*\/team\/web:main"/);
      await fill('App', `team/new${turn}`);
      await fill('Hosts (optional)', 'zone=nowhere');
      await button('Deploy');
      await page.getByRole('alert').getByText('zone=nowhere').waitFor();
      await fill('Hosts (optional)', '');
      await button('Deploy');
      await says('The rollout has begun.');
      await page.getByRole('heading', { name: `team/new${turn}`, exact: true }).waitFor();
      await link('Hosts');
      await link('fra-2');
      await link('Drain');
      await answer('Drain');
      await button('Resume');
      await says('The host gets instances again.');
      await link('Administration');
      await link(user);
      await link('Remove the user');
      await answer('Remove');
      await says('The user is removed.');
      await button('Log out');
      await page.getByRole('link', { name: 'Log in' }).first().waitFor();
    });
  }

  test('pages follow what happens: a repository says so, an app and its hosts show it', async () => {
    const { page } = await browser.open();
    await logIn(page, url);
    await page.goto(`${url}/repositories/team/app`);
    const news = page.getByText('Tags may have changed since you opened this page.');
    assert.equal(await news.isVisible(), false);
    await registry.admin.pushImage('team/other', 'elsewhere');
    await registry.admin.pushImage('team/app', 'just-pushed');
    await news.waitFor();
    await page.getByRole('link', { name: 'Show the changes' }).click();
    await page.getByRole('link', { name: 'just-pushed' }).waitFor();
    assert.equal(await news.isVisible(), false);
    // One that nobody sees has no connection, and misses nothing.
    const turn = (hidden: boolean) =>
      page.evaluate(
        `Object.defineProperty(document, 'hidden', { value: ${hidden}, configurable: true });
         document.dispatchEvent(new Event('visibilitychange'));`,
      );
    const readers = () => registry.metric('berth_event_readers');
    await waitUntil('the page reads', async () => (await readers()) === 1);
    await turn(true);
    await waitUntil('the page reads no more', async () => (await readers()) === 0);
    await registry.admin.pushImage('team/app', 'pushed-meanwhile');
    await turn(false);
    await news.waitFor();

    await page.goto(`${url}/apps/one?app=team%2Fshop`);
    await page.getByRole('link', { name: 'Logs' }).click();
    const log = page.getByLabel('Log', { exact: true });
    await log.getByText('hello from web').waitFor();
    assert.ok((await log.textContent())?.includes(HOSTILE_LINE.replace('\u202e\u0007', '\ufffd\ufffd')));
    assert.equal(await page.locator('img, h1:text-is("x")').count(), 0);
    // Lines that come are shown, once each, as the first ones are.
    const spans = log.locator('> span');
    assert.equal(await spans.count(), 2);
    world.hosts[0]?.logLines.push('it goes on', HOSTILE_LINE);
    await waitUntil('the page shows them', async () => (await spans.count()) === 4);
    const texts = (await spans.allTextContents()).map((text) => text.slice(text.indexOf(' web 1 ')));
    assert.equal(texts[2], ' web 1 it goes on\n');
    assert.equal(texts[3], texts[1]);
    assert.equal(await page.locator('img, h1:text-is("x")').count(), 0);
    world.hosts[0]?.logLines.push(...Array.from({ length: 1100 }, (_, number) => `line ${number}`));
    await log.getByText('line 1099').waitFor();
    assert.equal(await spans.count(), 1000);
    assert.equal(await log.getByText('hello from web').count(), 0);

    await page.goto(`${url}/apps/one?app=team%2Fshop`);
    await page.getByRole('region', { name: /^Releases/ }).focus();
    const releases = page.getByRole('rowheader');
    const before = await releases.count();
    await world.push('three');
    assert.equal((await world.deploy()).status, 201);
    await waitUntil('there is one more release', async () => (await releases.count()) === before + 1);
    await world.ended();
    await waitUntil('it is done', async () => (await page.getByText('rolling').count()) === 0);
    const focused = await page.evaluate('document.activeElement.getAttribute("aria-label")');
    assert.match(String(focused), /^Releases/);
    await page.goto(`${url}/hosts`);
    await registry.manage('PATCH', '/hosts/fra-1', { labels: { zone: 'north-1' } });
    await page.getByText('zone=north-1').waitFor();
    await page.goto('about:blank');

    const plain = await browser.open({ script: false });
    await plain.page.goto(`${url}/repositories/team/app`);
    assert.equal(await plain.page.locator('[data-news]').isVisible(), false);
  });

  test('no page broke a rule of its policy, and no script failed', () => {
    // What a browser says of answers of 4xx is no fault of a page.
    assert.deepEqual(
      browser.errors.filter((line) => !/the server responded with a status of 4/.test(line)),
      [],
    );
  });
});

async function click(_page: Page, target: Locator): Promise<void> {
  await target.click();
}

/** Goes from element to element, as somebody without a mouse does, and presses Enter. */
async function byKeyboard(page: Page, target: Locator): Promise<void> {
  await target.waitFor();
  for (let step = 0; step < 200; step += 1) {
    if (await target.evaluate((element) => element.matches(':focus'))) {
      await page.keyboard.press('Enter');
      return;
    }
    await page.keyboard.press('Tab');
  }
  throw new Error(`the keyboard does not reach ${target}`);
}
