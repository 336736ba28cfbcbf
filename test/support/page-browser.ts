import { AxeBuilder } from '@axe-core/playwright';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { type CleanupScope, defer } from './cleanup.ts';
import { ADMIN_PASSWORD } from './registry-with-accounts.ts';

/** How somebody looks at pages. */
export interface Viewing {
  readonly width?: number;
  readonly dark?: boolean;
  /** Whether scripts run; they do unless it is false. */
  readonly script?: boolean;
  /** What the browser calls itself. */
  readonly userAgent?: string;
}

/** One headless Chromium of Debian, with tabs that share nothing. */
export interface PageBrowser {
  /** A tab with cookies of its own; `onError` is called with what a page logs as an error, a violated policy included. */
  open(viewing?: Viewing): Promise<{ readonly page: Page; readonly context: BrowserContext }>;
  /** What pages have logged as errors since the start: scripts that failed, and violations of the policy of content. */
  readonly errors: readonly string[];
}

/** Starts Debian's Chromium by playwright. */
export async function startPageBrowser(scope: CleanupScope): Promise<PageBrowser> {
  const browser: Browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    // Tests run as root in containers, where its sandbox cannot be.
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-component-update'],
  });
  defer(scope, () => browser.close());
  const errors: string[] = [];
  return {
    errors,
    open: async ({ dark = false, script = true, userAgent, width = 1280 } = {}) => {
      const context = await browser.newContext({
        viewport: { width, height: 800 },
        colorScheme: dark ? 'dark' : 'light',
        javaScriptEnabled: script,
        reducedMotion: 'reduce',
        ...(userAgent !== undefined && { userAgent }),
      });
      const page = await context.newPage();
      page.on('pageerror', (error) => errors.push(`${page.url()}: ${error.message}`));
      page.on('dialog', async (dialog) => {
        errors.push(`${page.url()}: a script asked ${dialog.message()}`);
        await dialog.dismiss();
      });
      page.on('console', (message) => {
        if (message.type() === 'error') errors.push(`${page.url()}: ${message.text()}`);
      });
      return { page, context };
    },
  };
}

/** Logs in with the password ADMIN_PASSWORD at the registry of this address. */
export async function logIn(page: Page, url: string, name = 'admin'): Promise<void> {
  await page.goto(`${url}/auth/`);
  await page.fill('#user', name);
  await page.fill('#password', ADMIN_PASSWORD);
  await page.click('#log-in button');
  await page.waitForURL(`${url}/`);
}

interface AxeViolation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string | undefined }[];
}

/** What axe finds on a page as it is now, as lines; only by one of its rules if one is named. */
export async function findingsOf(page: Page, rule?: string): Promise<readonly string[]> {
  const isThere = await page.evaluate("typeof axe !== 'undefined'");
  const violations = isThere ? await runAxe(page, rule) : await firstRun(page, rule);
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ failureSummary, html }) => `${id}: ${html.slice(0, 200)} ${failureSummary}`),
  );
}

/** Puts axe into the page as well, which takes ten times as long as a run. */
async function firstRun(page: Page, rule: string | undefined): Promise<readonly AxeViolation[]> {
  const axe = new AxeBuilder({ page }).setLegacyMode(true);
  const { violations } = await (rule === undefined ? axe : axe.withRules(rule)).analyze();
  return violations;
}

async function runAxe(page: Page, rule: string | undefined): Promise<readonly AxeViolation[]> {
  const options = { resultTypes: ['violations'], iframes: false, ...(rule && { runOnly: [rule] }) };
  return page.evaluate(`axe.run(document, ${JSON.stringify(options)}).then((found) => found.violations)`);
}
