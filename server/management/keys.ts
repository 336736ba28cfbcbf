import { KEY_OVERLAP, rotateKeys } from '../../auth/tokens/key-ring.ts';
import { answerJson } from '../http/answer.ts';
import type { ManagementDependencies, ManagementRouter } from './management-router.ts';
import { fieldsOf } from './request-fields.ts';
import { requireAdmin } from './require.ts';

/** The keys of the token server. For administrators. */
export function addKeyRoutes(router: ManagementRouter, { store }: ManagementDependencies): void {
  router.post('/keys', async (ctx) => {
    requireAdmin(ctx);
    const { now = false } = await fieldsOf(ctx, { now: 'boolean' });
    const { id, createdAt } = await rotateKeys(store.keys, now ? 0 : KEY_OVERLAP);
    answerJson(ctx, 201, { id, createdAt: createdAt.toISOString() });
  });
}
