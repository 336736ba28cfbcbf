import { parsePattern } from '../../auth/access/pattern.ts';
import { EntryUnknownError } from '../../auth/errors.ts';
import type { QuotaCatalog } from '../../storage/catalog/quota-catalog.ts';
import { answerEmpty, answerJson } from '../http/answer.ts';
import { queryOf } from '../registry/parameters.ts';
import type { RequestRouter } from '../request-context.ts';
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
