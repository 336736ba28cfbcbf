import { requireAdmin } from '../../api/access.ts';
import { showPage } from '../../login/answer-page.ts';
import { html } from '../../markup/html.ts';
import type { RequestRouter } from '../../request-context.ts';
import { counted, formatBytes, formatCount, timeOf } from '../format.ts';
import { requireLogin } from '../page-context.ts';
import type { PageDependencies } from '../page-dependencies.ts';
import { facts, notice, pageHead, table } from '../parts.ts';
import { repositoryPath } from '../repository-paths.ts';
import { adminTabs } from './admin-tabs.ts';

/** Number of repositories that the page lists. */
const LARGEST = 10;

/** Adds the page about the state of the answering process. */
export function addHealthPage(
  router: RequestRouter,
  { browse, health, registry }: Pick<PageDependencies, 'browse' | 'health' | 'registry'>,
): void {
  router.get('/admin/health', async (ctx) => {
    requireLogin(ctx);
    requireAdmin(ctx);
    const ready = await health.isReady();
    const { user, system } = process.cpuUsage();
    const started = new Date(performance.timeOrigin);
    const use = await browse.diskUse(ctx.state.identity, { limit: LARGEST });
    const largest = use.entries.map(({ name, size, tags }) => [
      html`<a href="${repositoryPath(ctx, name)}">${name}</a>`,
      formatCount(tags),
      formatBytes(size),
    ]);
    showPage(ctx, {
      title: 'Health',
      main: html`${pageHead('Administration', { lead: 'The process that answered this page.' })}${adminTabs(ctx, 'health')}
${ready ? notice('good', 'Database and storage answer.') : notice('bad', 'This registry gets no new requests: it is stopping, or the database or the storage does not answer.')}
<section class="sheet"><h2>Process</h2>${facts([
        ['Started', timeOf(started)],
        ['Memory', formatBytes(process.memoryUsage.rss())],
        ['Processor time', `${Math.round((user + system) / 1e6)} s`],
        ['Node', process.version],
      ])}</section>
<section class="sheet"><h2>Settings</h2>${facts([
        ['Pushes', registry.readOnly ? 'refused: the registry is read-only' : 'allowed'],
        ['Deletes', registry.readOnly || !registry.deletes ? 'switched off' : 'allowed'],
        ['Path prefix', registry.pathPrefix === '' ? 'none' : registry.pathPrefix],
      ])}</section>
${
  largest.length > 0 &&
  html`<section><h2>Largest repositories</h2><p class="soft">${counted(use.repositoryCount, 'repository', 'repositories')}, ${formatBytes(use.size)}: layers that several of them have count for each.</p>${table('Largest repositories', [{ head: 'Name' }, { head: 'Tags', kind: 'number' }, { head: 'Size', kind: 'number' }], largest)}</section>`
}
<p class="soft">Figures over time are for Prometheus: see <code>--metrics</code>.</p>`,
    });
  });
}
