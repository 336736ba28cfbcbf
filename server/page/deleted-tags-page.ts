import { isTag } from '../../oci/reference.ts';
import { RegistryError } from '../errors.ts';
import { showPage } from '../login/answer-page.ts';
import { formField } from '../login/forms.ts';
import { html } from '../markup/html.ts';
import type { RequestContext } from '../request-context.ts';
import { shortDigest, timeOf } from './format.ts';
import { goTo, readFields } from './page-context.ts';
import { empty, table } from './parts.ts';
import { repositoryHead } from './repository-page.ts';
import { type RepositoryPage, referencePath, repositoryPath } from './repository-paths.ts';

/** Shows deleted tags whose manifests still exist. */
export async function showDeletedTags(
  ctx: RequestContext,
  { browse, repository }: RepositoryPage,
): Promise<void> {
  const { identity } = ctx.state;
  const view = await browse.repository(identity, repository);
  const tags = await browse.deletedTags(identity, repository);
  const rows = tags.map(({ deletedAt, deletedBy, digest, name }) => [
    name,
    html`${timeOf(deletedAt)}${deletedBy !== undefined && html`<span class="small">${deletedBy}</span>`}`,
    html`<a class="mono" href="${referencePath(ctx, repository, { digest })}">${shortDigest(digest)}</a>`,
    view.rights.push
      ? html`<form method="post" action="${repositoryPath(ctx, repository, 'deleted')}">${formField(ctx)}<input type="hidden" name="tag" value="${name}"><button>Restore</button></form>`
      : '',
  ]);
  showPage(ctx, {
    title: `Deleted tags of ${repository}`,
    main: html`${repositoryHead(ctx, view, 'deleted')}${
      rows.length === 0
        ? empty(
            'No deleted tags',
            html`<p>A deleted tag stays here until garbage collection deletes its manifest.</p>`,
          )
        : table(
            'Deleted tags',
            [
              { head: 'Tag' },
              { head: 'Deleted' },
              { head: 'Digest', kind: 'wide' },
              { head: 'Actions', kind: 'end' },
            ],
            rows,
          )
    }`,
  });
}

/** Restores a deleted tag, with its last manifest. */
export async function restoreTag(ctx: RequestContext, { browse, repository }: RepositoryPage): Promise<void> {
  const read = await readFields(ctx);
  const tag = read('tag');
  if (!isTag(tag)) throw new RegistryError('TAG_INVALID', 'this is not a tag');
  const { remote: address } = ctx.state.origin;
  await browse.restore(ctx.state.identity, repository, tag, address === undefined ? {} : { address });
  goTo(ctx, repositoryPath(ctx, repository, '', { done: 'restored' }));
}
