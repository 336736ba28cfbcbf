import { parsePattern } from '../../auth/access/pattern.ts';
import { allowsAction } from '../../auth/access/rights.ts';
import type { RoleGrant } from '../../auth/accounts/role-store.ts';
import { formatHolder, parseHolder } from '../../auth/administration/names.ts';
import { parseRole } from '../../auth/administration/roles.ts';
import { EntryUnknownError } from '../../auth/errors.ts';
import { RegistryError } from '../errors.ts';
import { answerEmpty, answerJson } from '../http/answer.ts';
import { queryOf } from '../registry/parameters.ts';
import type { RequestContext } from '../request-context.ts';
import type { ManagementDependencies, ManagementRouter } from './management-router.ts';
import { fieldsOf, required } from './request-fields.ts';

/** Who has which role on which repositories. For administrators, and for admins of repositories about these. */
export function addGrantRoutes(router: ManagementRouter, { store: { roles } }: ManagementDependencies): void {
  router.get('/grants', async (ctx) => {
    const { rights } = ctx.state.identity;
    const visible = (await roles.list()).filter(({ pattern }) => allowsAction(rights, pattern, 'manage'));
    answerJson(ctx, 200, { grants: visible.map(shown) });
  });

  router.put('/grants', async (ctx) => {
    const fields = await fieldsOf(ctx, { holder: 'string', pattern: 'string', role: 'string' });
    const grant = parseRole({
      holder: parseHolder(required('holder', fields.holder)),
      pattern: parsePattern(required('pattern', fields.pattern)),
      role: required('role', fields.role),
    });
    requireManager(ctx, grant.pattern);
    await roles.put(grant);
    answerJson(ctx, 200, shown(grant));
  });

  router.delete('/grants', async (ctx) => {
    const pattern = parsePattern(required('pattern', queryOf(ctx, 'pattern')));
    const holder = parseHolder(required('holder', queryOf(ctx, 'holder')));
    requireManager(ctx, pattern);
    if (!(await roles.remove(holder, pattern))) {
      throw new EntryUnknownError(`${formatHolder(holder)} has no role on ${pattern}`);
    }
    answerEmpty(ctx, 204);
  });
}

function requireManager(ctx: RequestContext, pattern: string): void {
  if (allowsAction(ctx.state.identity.rights, pattern, 'manage')) return;
  throw new RegistryError('DENIED', `you may not grant roles on ${pattern}`);
}

function shown({ holder, pattern, role }: RoleGrant) {
  return { holder: formatHolder(holder), pattern, role };
}
