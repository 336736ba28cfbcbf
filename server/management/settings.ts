import { parsePattern } from '../../auth/access/pattern.ts';
import { EntryUnknownError } from '../../auth/errors.ts';
import type { QuotaCatalog } from '../../storage/catalog/quota-catalog.ts';
import type { TagRuleCatalog } from '../../storage/catalog/tag-rule-catalog.ts';
import { answerEmpty, answerJson } from '../http/answer.ts';
import { queryOf } from '../registry/parameters.ts';
import type { RequestRouter } from '../request-context.ts';
import { parseTagPattern, parseTagRule } from './parse-settings.ts';
import { fieldsOf, required } from './request-fields.ts';
import { requireAdmin } from './require.ts';

/** How many bytes repositories may have. For administrators. */
export function addQuotaRoutes(router: RequestRouter, quotas: QuotaCatalog): void {
  router.get('/quotas', async (ctx) => {
    requireAdmin(ctx);
    answerJson(ctx, 200, { quotas: await quotas.list() });
  });

  router.put('/quotas', async (ctx) => {
    requireAdmin(ctx);
    const fields = await fieldsOf(ctx, { pattern: 'string', bytes: 'size' });
    const pattern = parsePattern(required('pattern', fields.pattern));
    const bytes = required('bytes', fields.bytes);
    await quotas.put({ pattern, bytes });
    answerJson(ctx, 200, { pattern, bytes });
  });

  router.delete('/quotas', async (ctx) => {
    requireAdmin(ctx);
    const pattern = parsePattern(required('pattern', queryOf(ctx, 'pattern')));
    if (!(await quotas.remove(pattern))) {
      throw new EntryUnknownError(`there is no quota of ${pattern}`);
    }
    answerEmpty(ctx, 204);
  });
}

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
