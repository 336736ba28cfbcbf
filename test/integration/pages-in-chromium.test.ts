import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { openWorld } from '../support/fleet-world.ts';
import { findingsOf, startPageBrowser } from '../support/page-browser.ts';
import { ADMIN_PASSWORD } from '../support/registry-with-accounts.ts';

describe('pages in Chromium', async () => {
  const world = await openWorld({ after }, ['fra-1', 'fra-2']);
  const { registry } = world;
  const { url } = registry;
  await registry.addUser('ada', { 'team/*': 'maintainer' });
  await registry.store.teams.create('dev');
  await registry.store.teams.join('dev', 'ada');
  await registry.addRobot('ci', 'team/*:pull,push');
  for (const text of ['one', 'two']) {
    await world.push(text);
    assert.equal((await world.deploy()).status, 201);
    await world.ended();
  }
  for (const [method, path, body] of [
    ['PUT', '/quotas', { pattern: 'team/*', bytes: '20GiB' }],
    ['PUT', '/tag-rules', { pattern: 'team/*', tags: 'v*', kind: 'immutable' }],
    ['POST', '/webhooks', { name: 'chat', url: 'https://chat.example/', events: ['push'], pattern: '*' }],
    ['POST', '/tokens', { name: 'laptop' }],
  ] as const) {
    assert.ok((await registry.manage(method, path, body)).ok, path);
  }
  const browser = await startPageBrowser({ after });

  const logIn = async (page: Page, name = 'admin') => {
    await page.goto(`${url}/auth/`);
    await page.fill('#user', name);
    await page.fill('#password', ADMIN_PASSWORD);
    await page.click('#log-in button');
    await page.waitForURL(`${url}/`);
  };

  const PAGES = [
    '/',
    '/account',
    '/admin/users',
    '/admin/users/one?name=ada',
    '/admin/users/remove?name=ada',
    '/admin/teams',
    '/admin/teams/one?team=dev',
    '/admin/grants',
    '/admin/robots',
    '/admin/jobs',
    '/admin/providers',
    '/admin/webhooks',
    '/admin/tag-rules',
    '/admin/quotas',
    '/admin/audit',
    '/admin/health',
    '/apps',
    '/apps/one?app=team%2Fshop',
    '/hosts',
    '/hosts/one?name=fra-1',
    '/admin/nothing',
  ];

  test('axe finds nothing on any page, light and dark, wide and narrow, and none is wider than a phone', async () => {
    const { page } = await browser.open();
    const faults: string[] = [];
    const check = async (path: string) => {
      const note = async (how: string, rule?: string) => {
        faults.push(...(await findingsOf(page, rule)).map((line) => `${path} ${how}: ${line}`));
      };
      await page.setViewportSize({ width: 1280, height: 800 });
      await page.emulateMedia({ colorScheme: 'light' });
      await page.goto(url + path);
      await note('light 1280');
      await page.emulateMedia({ colorScheme: 'dark' });
      await note('dark 1280', 'color-contrast');
      await page.setViewportSize({ width: 320, height: 640 });
      await note('dark 320');
      const width = await page.evaluate('document.documentElement.scrollWidth');
      if (width !== 320) faults.push(`${path} is ${width} wide`);
      await page.emulateMedia({ colorScheme: 'light' });
      await note('light 320', 'color-contrast');
    };
    await check('/auth/');
    await page.setViewportSize({ width: 1280, height: 800 });
    await logIn(page);
    for (const path of PAGES) await check(path);
    assert.deepEqual(faults, []);
  });
});
