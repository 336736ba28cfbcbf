import { allowsAction } from '../../auth/access/rights.ts';
import { showPage } from '../login/answer-page.ts';
import { type Html, html } from '../markup/html.ts';
import type { RequestContext } from '../request-context.ts';
import type { ApiCalls } from './api-calls.ts';
import { counted } from './format.ts';
import { asked, pathOf, requireLogin } from './page-context.ts';
import { empty, pager, table } from './parts.ts';
import { repositoryHead } from './repository-page.ts';
import { type RepositoryPage, repositoryPath } from './repository-paths.ts';

interface Holder {
  readonly holder: string;
  readonly actions: readonly string[];
  readonly role: string;
  readonly pattern: string;
  readonly members?: readonly string[];
  readonly memberCount?: number;
}

/** Shows who may do what with a repository, and by which role: for its maintainers and administrators. */
export async function showAccess(
  ctx: RequestContext,
  { browse, repository }: RepositoryPage,
  api: ApiCalls,
): Promise<void> {
  const view = await browse.repository(ctx.state.identity, repository);
  requireLogin(ctx);
  const after = asked(ctx, 'after');
  const { holders, next } = await api.call<{
    readonly holders: readonly Holder[];
    readonly next: string | null;
  }>(ctx, 'showRepositoryAccess', { params: { repository }, query: after === '' ? {} : { after } });
  const rows = holders.map((one) => [
    html`${one.holder}${members(one)}`,
    one.actions.map((action) => (action === 'manage' ? 'grant roles' : action)).join(', '),
    html`${one.role} on <code>${one.pattern}</code>`,
  ]);
  const manages = allowsAction(ctx.state.identity.rights, repository, 'manage');
  showPage(ctx, {
    title: `Access to ${repository}`,
    main: html`${repositoryHead(ctx, view, 'access')}<p class="soft">Administrators may do everything. Robots and tokens may at most what their owner may.${
      manages && html` <a href="${pathOf(ctx, '/admin/grants')}">Change roles</a>`
    }</p>${
      rows.length === 0
        ? empty('Nobody else', html`<p>No role applies to this repository.</p>`)
        : table(
            `Who has access to ${repository}`,
            [{ head: 'Who', kind: 'text' }, { head: 'May' }, { head: 'By the role', kind: 'text' }],
            rows,
          )
    }${pager(
      after === '' ? undefined : repositoryPath(ctx, repository, 'access'),
      next === null ? undefined : repositoryPath(ctx, repository, 'access', { after: next }),
    )}`,
  });
}

function members({ memberCount = 0, members }: Holder): Html {
  if (members === undefined) return html``;
  const more = memberCount - members.length;
  const names = [...members, ...(more > 0 ? [counted(more, 'more', 'more')] : [])];
  return html`<span class="small">${names.length === 0 ? 'no members' : names.join(', ')}</span>`;
}
