import type { ConsequencesView, Reference } from '../browse/browse.ts';
import { asSentence, showPage } from '../login/answer-page.ts';
import { type Html, html } from '../markup/html.ts';
import type { RequestContext } from '../request-context.ts';
import { counted, formatBytes, shortDigest, timeOf } from './format.ts';
import { running } from './manifest-page.ts';
import { goTo, readFields } from './page-context.ts';
import { check, type Fact, notice, pageHead, pairs } from './parts.ts';
import { askBefore } from './question.ts';
import { type RepositoryPage, referencePath, referenceText, repositoryPath } from './repository-paths.ts';

/** Maximum tags that a question names. */
const NAMED = 20;

/** Explains the consequences of a delete, what remains and until when it can be undone, and asks for confirmation. */
export async function askToDelete(
  ctx: RequestContext,
  { browse, repository }: RepositoryPage,
  reference: Reference,
): Promise<void> {
  const found = await browse.consequences(ctx.state.identity, repository, reference);
  const text = referenceText(reference);
  const name = 'tag' in reference ? `${repository}:${text}` : `${repository}@${shortDigest(text)}`;
  const back = referencePath(ctx, repository, reference);
  if (found.refusal !== undefined && !found.needsForce) {
    showPage(ctx, {
      title: `${name} cannot be deleted`,
      narrow: true,
      main: html`<section data-question>${pageHead(`${name} cannot be deleted`)}${notice('warn', asSentence(found.refusal))}${consequences(ctx, found)}<p class="actions"><a class="button" data-close href="${back}">Back</a></p></section>`,
    });
    return;
  }
  askBefore(ctx, {
    title: `Delete ${name}?`,
    text: html`${found.needsForce && notice('warn', 'A release runs this image: deploy another one first. Otherwise hosts can no longer fetch it.')}${consequences(ctx, found)}`,
    verb: 'Delete',
    action: repositoryPath(ctx, repository, 'delete', { reference: text }),
    back,
    ...(found.needsForce && {
      fields: check('force', {
        label: 'Delete it even though a release runs it',
        name: 'force',
        isRequired: true,
      }),
    }),
  });
}

function consequences(ctx: RequestContext, found: ConsequencesView): Html {
  const {
    bytesFreed,
    bytesKept,
    manifests,
    restorableUntil,
    sharedWithImages,
    sharedWithOthers,
    sharedWithRepositories,
    tagCount,
    tags,
  } = found;
  const more = tagCount - Math.min(tags.length, NAMED);
  const shared = [...sharedWithImages, ...sharedWithRepositories];
  const facts: Fact[] = [
    [
      'Tags that go',
      html`${tags.length === 0 ? 'none' : tags.slice(0, NAMED).join(', ')}${more > 0 && ` and ${counted(more, 'more', 'more')}`}`,
    ],
    [
      'Manifests that go',
      manifests.length === 0
        ? 'none: the image stays, without this tag'
        : counted(manifests.length, 'manifest'),
    ],
    ['Bytes freed', html`<strong>${formatBytes(bytesFreed)}</strong>, after garbage collection`],
    [
      'Bytes that stay',
      html`${formatBytes(bytesKept)}${shared.length > 0 && html`, because ${shared.slice(0, NAMED).join(', ')} ${shared.length === 1 ? 'needs' : 'need'} them`}${sharedWithOthers && html`, also in repositories that you do not see`}`,
    ],
    [
      'Can be restored',
      restorableUntil === undefined
        ? 'no'
        : html`until ${exact(restorableUntil)} (${timeOf(restorableUntil)}), on the page of deleted tags`,
    ],
  ];
  return html`${pairs(facts)}${!found.complete && html`<p class="soft">There was more than could be looked at: these figures are of a part of it.</p>`}${running(ctx, found.running)}`;
}

function exact(time: Date): string {
  return `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** Deletes it and returns to the repository. */
export async function deleteReference(
  ctx: RequestContext,
  { browse, repository }: RepositoryPage,
  reference: Reference,
): Promise<void> {
  const read = await readFields(ctx);
  const { remote: address } = ctx.state.origin;
  await browse.delete(ctx.state.identity, repository, reference, {
    ...(address !== undefined && { address }),
    force: read('force') === 'on',
  });
  goTo(ctx, repositoryPath(ctx, repository, '', { done: 'deleted' }));
}
