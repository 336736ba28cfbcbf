import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { findingsOf, logIn, startPageBrowser } from '../support/page-browser.ts';
import { openPageWorld } from '../support/page-world.ts';
import { startRegistryWithAccounts } from '../support/registry-with-accounts.ts';

describe('pages by axe', async () => {
  const world = await openPageWorld({ after });
  const { pages: PAGES } = world;
  const { url } = world.registry;
  world.hosts[0]?.logLines.push('hello from web', 'a long line '.repeat(40));
  const browser = await startPageBrowser({ after });

  /** What is wrong with the page that is open, light and dark, on a desk and on a phone. */
  const faultsOf = async (page: Page, name: string) => {
    const faults: string[] = [];
    const note = async (how: string, rule?: string) => {
      faults.push(...(await findingsOf(page, rule)).map((line) => `${name} ${how}: ${line}`));
    };
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.emulateMedia({ colorScheme: 'light' });
    await note('light 1280');
    await page.emulateMedia({ colorScheme: 'dark' });
    await note('dark 1280', 'color-contrast');
    await page.setViewportSize({ width: 320, height: 640 });
    await note('dark 320');
    await page.evaluate(LONG_TIMES);
    const width = await page.evaluate('document.documentElement.scrollWidth');
    if (width !== 320) faults.push(`${name} is ${width} wide`);
    const cut = await page.evaluate<readonly string[]>(CUT_BUTTONS);
    faults.push(...cut.map((text) => `${name} cuts the button ${text} off`));
    const sideways = await page.evaluate<readonly string[]>(WIDE_TABLES);
    faults.push(...sideways.map((text) => `${name} scrolls the table ${text} sideways`));
    await page.emulateMedia({ colorScheme: 'light' });
    await note('light 320', 'color-contrast');
    await page.setViewportSize({ width: 1280, height: 800 });
    return faults;
  };

  test('axe finds nothing on any page, light and dark, wide and narrow, and none is wider than a phone', async () => {
    const { page } = await browser.open();
    const faults: string[] = [];
    const linked = new Map<string, string>();
    const check = async (path: string) => {
      await page.goto(url + path);
      faults.push(...(await faultsOf(page, path)));
      for (const address of await page.evaluate<readonly string[]>(LINKS))
        linked.set(kindOf(address), address);
    };
    await check('/auth/');
    linked.clear();
    await logIn(page, url);
    for (const path of PAGES) await check(path);
    assert.deepEqual(faults, []);
    // A page that is new has to be in that list. The others are a redirect and a file.
    const checked = new Set([...PAGES.map((path) => kindOf(url + path)), '/admin', '/admin/audit.csv']);
    const missed = [...linked].filter(([kind]) => !checked.has(kind));
    assert.deepEqual(missed, []);
  });

  test('axe finds nothing in dialogs, secrets, refusals, and pages of an empty registry', async () => {
    const { page } = await browser.open();
    await logIn(page, url);
    await page.goto(`${url}/repositories/team/app/-/tags/tag0`);
    await page.getByRole('link', { name: 'Delete', exact: true }).click();
    await page.getByRole('dialog').waitFor();
    const faults = [...(await faultsOf(page, 'dialog'))];
    await page.goto(`${url}/account`);
    await page.getByLabel('What it is for', { exact: true }).fill('axe');
    await page.getByRole('button', { name: 'Make a token', exact: true }).click();
    await page.getByText('It is shown this once: keep it now.').waitFor();
    faults.push(...(await faultsOf(page, 'secret')));
    await page.goto(`${url}/admin/users`);
    await page.getByLabel('Name', { exact: true }).fill('ada');
    await page.getByRole('button', { name: 'Add the user' }).click();
    await page.getByRole('alert').waitFor();
    faults.push(...(await faultsOf(page, 'refusal')));
    await page.goto(`${url}/repositories/team/none`);
    faults.push(...(await faultsOf(page, 'nothing')));

    const empty = await startRegistryWithAccounts({ after });
    await page.goto(empty.url);
    faults.push(...(await faultsOf(page, 'empty for visitors')));
    await logIn(page, empty.url);
    for (const path of ['/', '/apps', '/hosts', '/admin/webhooks', '/admin/robots']) {
      await page.goto(empty.url + path);
      faults.push(...(await faultsOf(page, `empty ${path}`)));
    }
    assert.deepEqual(faults, []);
  });
});

/** Answers the texts of buttons that one reaches only by scrolling sideways. */
const CUT_BUTTONS = `[...document.querySelectorAll('main button, main .button')]
  .filter((button) => {
    const { left, right, width } = button.getBoundingClientRect();
    return width > 0 && (left < 0 || right > 320 - 14);
  })
  .map((button) => button.textContent)`;

/** Answers the names of tables of which a part is out of sight. Those of documents may be as wide as their writers made them. */
const WIDE_TABLES = `[...document.querySelectorAll('.rows:not(.markdown .rows)')]
  .filter(({ clientWidth, scrollWidth }) => scrollWidth > clientWidth)
  .map((table) => table.getAttribute('aria-label'))`;

/** Makes all times as long as they become: pages of a test are new. */
const LONG_TIMES = `for (const time of document.querySelectorAll('time')) time.textContent = '59 minutes ago'`;

/** Answers the addresses to which a page leads. */
const LINKS = `[...document.querySelectorAll('a[href]')].map((link) => link.href)`;

/** The address of a page without what it is about: pages of the same kind have the same. */
function kindOf(address: string): string {
  const { pathname } = new URL(address);
  return pathname
    .replace(/^\/repositories\/.*?(?:(\/-\/[a-z]+).*)?$/, '/repositories$1')
    .replace(/^(\/docs\/).+/, '$1PAGE')
    .replace(/^(\/account\/tokens\/)[^/]+/, '$1ID');
}
