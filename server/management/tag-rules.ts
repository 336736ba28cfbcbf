import { parsePattern } from '../../auth/access/pattern.ts';
import { EntryUnknownError } from '../../auth/errors.ts';
import { parseTagPattern, parseTagRule } from '../guards/parse-tag-rule.ts';
import { answerEmpty, answerJson } from '../http/answer.ts';
import { queryOf } from '../registry/parameters.ts';
import type { ManagementDependencies, ManagementRouter } from './management-router.ts';
import { fieldsOf, required } from './request-fields.ts';
import { requireAdmin } from './require.ts';

/** Which tags stay where they are, and which only maintainers set. For administrators. */
export function addTagRuleRoutes(
  router: ManagementRouter,
  { catalog }: Pick<ManagementDependencies, 'catalog'>,
): void {
  router.get('/tag-rules', async (ctx) => {
    requireAdmin(ctx);
    answerJson(ctx, 200, { tagRules: await catalog.tagRules.list() });
  });

  router.put('/tag-rules', async (ctx) => {
    requireAdmin(ctx);
    const fields = await fieldsOf(ctx, { pattern: 'string', tags: 'string', kind: 'string' });
    const rule = parseTagRule({
      pattern: required('pattern', fields.pattern),
      tags: required('tags', fields.tags),
      kind: required('kind', fields.kind),
    });
    await catalog.tagRules.put(rule);
    answerJson(ctx, 200, rule);
  });

  router.delete('/tag-rules', async (ctx) => {
    requireAdmin(ctx);
    const pattern = parsePattern(required('pattern', queryOf(ctx, 'pattern')));
    const tags = parseTagPattern(required('tags', queryOf(ctx, 'tags')));
    if (!(await catalog.tagRules.remove({ pattern, tags }))) {
      throw new EntryUnknownError(`there is no rule of the tags ${tags} of ${pattern}`);
    }
    answerEmpty(ctx, 204);
  });
}
