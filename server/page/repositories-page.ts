import { showPage } from '../login/answer-page.ts';
import { html } from '../markup/html.ts';
import type { RequestRouter } from '../request-context.ts';
import type { PageDependencies } from './page-dependencies.ts';
import { pageHead } from './parts.ts';

export function addRepositoriesPage(
  router: RequestRouter,
  { registry: { access, catalog } }: PageDependencies,
): void {
  router.get('/', async (ctx) => {
    const visible = access.visible(ctx.state.identity);
    const found = await catalog.repositories.search('', { limit: 100 });
    const rows = found.filter(({ name }) => visible.includes(name)).map(({ name }) => html`<li>${name}</li>`);
    showPage(ctx, { title: 'Repositories', main: html`${pageHead('Repositories')}<ul>${rows}</ul>` });
  });
}
