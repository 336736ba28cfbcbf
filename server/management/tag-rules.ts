import { parsePattern } from '../../auth/access/pattern.ts';
import { EntryUnknownError } from '../../auth/errors.ts';
import type { TagRuleCatalog } from '../../storage/catalog/tag-rule-catalog.ts';
import { answerEmpty, answerJson } from '../http/answer.ts';
import { queryOf } from '../registry/parameters.ts';
import type { RequestRouter } from '../request-context.ts';
import { parseTagPattern, parseTagRule } from './parse-settings.ts';
import { fieldsOf, required } from './request-fields.ts';
import { requireAdmin } from './require.ts';

/** Which tags stay where they are, and which only maintainers set. For administrators. */
export function addTagRuleRoutes(router: RequestRouter, tagRules: TagRuleCatalog): void {
  router.get('/tag-rules', async (ctx) => {
    requireAdmin(ctx);
    answerJson(ctx, 200, { tagRules: await tagRules.list() });
  });

  router.put('/tag-rules', async (ctx) => {
    requireAdmin(ctx);
    const fields = await fieldsOf(ctx, { pattern: 'string', tags: 'string', kind: 'string' });
    const rule = parseTagRule({
      pattern: required('pattern', fields.pattern),
      tags: required('tags', fields.tags),
      kind: required('kind', fields.kind),
    });
    await tagRules.put(rule);
    answerJson(ctx, 200, rule);
  });

  router.delete('/tag-rules', async (ctx) => {
    requireAdmin(ctx);
    const pattern = parsePattern(required('pattern', queryOf(ctx, 'pattern')));
    const tags = parseTagPattern(required('tags', queryOf(ctx, 'tags')));
    if (!(await tagRules.remove({ pattern, tags }))) {
      throw new EntryUnknownError(`there is no rule of the tags ${tags} of ${pattern}`);
    }
    answerEmpty(ctx, 204);
  });
}
