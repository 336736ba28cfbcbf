import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { type CleanupScope, defer } from './cleanup.ts';

/** How somebody looks at pages. */
export interface Viewing {
  readonly width?: number;
  readonly dark?: boolean;
  /** Whether scripts run; they do unless it is false. */
  readonly script?: boolean;
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
    open: async ({ dark = false, script = true, width = 1280 } = {}) => {
      const context = await browser.newContext({
        viewport: { width, height: 800 },
        colorScheme: dark ? 'dark' : 'light',
        javaScriptEnabled: script,
        reducedMotion: 'reduce',
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
