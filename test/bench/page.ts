import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import type { Page } from 'playwright-core';
import { withCleanup } from '../support/cleanup.ts';
import { sendRequest } from '../support/http-client.ts';
import { startPageBrowser } from '../support/page-browser.ts';
import { startRegistry } from '../support/registry-process.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { type FleetFigure, fleetTable, percentile } from './fleet/figures.ts';
import { FULL_REPOSITORY, fillCatalog } from './full-catalog.ts';

/*
 * `node test/bench/page.ts [--tags N]`: the pages of a registry with a repository of 100,000 tags, as somebody with Debian's
 * Chromium on a processor at a quarter of its speed sees them. Prints a Markdown table.
 */
const { values } = parseArgs({ options: { tags: { type: 'string', default: '100000' } } });
const ANSWERS = 200;
const LOADS = 15;
const SLOWED = 4;
const PATH = `/repositories/${FULL_REPOSITORY}`;
const HTML = { accept: 'text/html' };

console.log(
  await withCleanup(async (scope) => {
    const count = Number(values.tags);
    const dataDir = join(await makeTempDir(scope, 'page'), 'data');
    await fillCatalog(join(dataDir, 'catalog.sqlite'), count);
    const { url } = await startRegistry(scope, { dataDir });
    const browser = await startPageBrowser(scope);
    const { page } = await browser.open();
    const loads = await measureLoads(page, url);
    return fleetTable([
      await measureAnswers(url, count),
      {
        what: `… its largest contentful paint, processor slowed ${SLOWED} times`,
        value: `p50 ${percentile(loads.paints, 0.5).toFixed(0)} ms, p95 ${percentile(loads.paints, 0.95).toFixed(0)} ms (of ${LOADS})`,
        target: '1,000 ms',
      },
      { what: '… its nodes', value: String(loads.nodes), target: '1,500' },
      ...(await measureFirstView(page, url)),
    ]);
  }),
);

/** Pages of tags from all over the list. */
async function measureAnswers(url: string, count: number): Promise<FleetFigure> {
  const times: number[] = [];
  let path = PATH;
  for (let answer = 0; answer < ANSWERS; answer += 1) {
    const began = performance.now();
    const { body, status } = await sendRequest(`${url}${path}`, { headers: HTML });
    times.push(performance.now() - began);
    if (status !== 200) throw new Error(`${path} answered ${status}`);
    // Each third is searched for, or the next page.
    const next = /href="([^"]*)" rel="next"/.exec(body.toString())?.[1]?.replaceAll('&#38;', '&');
    const place = String(Math.floor((count / ANSWERS) * answer))
      .padStart(7, '0')
      .slice(0, 5);
    path = answer % 3 === 0 ? `${PATH}?q=t${place}` : answer % 3 === 1 ? `${PATH}?sort=time` : (next ?? PATH);
  }
  return {
    what: `answer with a page of ${count} tags`,
    value: `p50 ${percentile(times, 0.5).toFixed(1)} ms, p95 ${percentile(times, 0.95).toFixed(1)} ms (of ${ANSWERS})`,
    target: 'p95 50 ms',
  };
}

async function measureLoads(page: Page, url: string) {
  const session = await page.context().newCDPSession(page);
  await session.send('Emulation.setCPUThrottlingRate', { rate: SLOWED });
  const paints: number[] = [];
  for (let load = 0; load < LOADS; load += 1) {
    await page.goto(`${url}${PATH}`, { waitUntil: 'load' });
    paints.push(
      await page.evaluate<number>(`new Promise((resolve) => new PerformanceObserver((list) => {
        resolve(list.getEntries().at(-1).startTime);
      }).observe({ type: 'largest-contentful-paint', buffered: true }))`),
    );
  }
  await session.send('Emulation.setCPUThrottlingRate', { rate: 1 });
  return { paints, nodes: await page.evaluate<number>('document.querySelectorAll("*").length') };
}

/** What a browser with an empty cache fetches for the first page. */
async function measureFirstView(page: Page, url: string): Promise<readonly FleetFigure[]> {
  const fetched: string[] = [];
  page.on('request', (request) => fetched.push(request.url()));
  await page.goto(`${url}/`, { waitUntil: 'networkidle' });
  const own = [...new Set(fetched.filter((one) => !one.includes('/api/')))];
  let bytes = 0;
  for (const one of own) bytes += gzipSync((await sendRequest(one, { headers: HTML })).body).length;
  return [
    { what: 'first view, requests', value: String(own.length), target: '4' },
    { what: '… kB of them, compressed', value: (bytes / 1000).toFixed(1), target: '30' },
  ];
}
