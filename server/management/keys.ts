import { KEY_OVERLAP, rotateKeys } from '../../auth/administration/rotate-keys.ts';
import type { KeyStore } from '../../auth/tokens/key-store.ts';
import { answerJson } from '../http/answer.ts';
import type { RequestRouter } from '../request-context.ts';
import { fieldsOf } from './request-fields.ts';
import { requireAdmin } from './require.ts';

/** The keys of the token server. For administrators. */
export function addKeyRoutes(router: RequestRouter, keys: KeyStore): void {
  router.post('/keys', async (ctx) => {
    requireAdmin(ctx);
    const { now = false } = await fieldsOf(ctx, { now: 'boolean' });
    const { id, createdAt } = await rotateKeys(keys, now ? 0 : KEY_OVERLAP);
    answerJson(ctx, 201, { id, createdAt: createdAt.toISOString() });
  });
}
