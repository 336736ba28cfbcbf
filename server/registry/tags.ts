import { repositoryScope } from '../../auth/access/scope.ts';
import { NameUnknownError } from '../../storage/errors.ts';
import { answerReady, readyJson } from '../http/ready-answer.ts';
import type { RequestRouter } from '../request-context.ts';
import { authorize } from './authorize.ts';
import { linkAfter, pageOf } from './paging.ts';
import { repositoryOf } from './parameters.ts';
import type { RegistryDependencies } from './registry-dependencies.ts';

/** The tags of a repository (distribution-spec, "Listing Tags"). */
export function addTagRoutes(
  router: RequestRouter,
  { access, answers, catalog }: RegistryDependencies,
): void {
  router.get('/v2/*name/tags/list', async (ctx) => {
    const keep = answers.begin(ctx);
    const repository = repositoryOf(ctx);
    const scope = repositoryScope(repository, 'pull');
    authorize(ctx, access, scope);
    const page = pageOf(ctx);
    if (!(await catalog.repositories.exists(repository))) {
      throw new NameUnknownError(`there is no repository ${repository}`);
    }
    const { names, more } = page.limit === 0 ? EMPTY : await catalog.tags.list(repository, page);
    const answer = readyJson(
      { name: repository, tags: names },
      { Link: linkAfter(ctx, page, more ? names.at(-1) : undefined) },
    );
    keep(scope, answer);
    answerReady(ctx, answer);
  });
}

const EMPTY = { names: [], more: false };
