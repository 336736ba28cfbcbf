import { parsePattern } from '../../auth/access/pattern.ts';
import { allowsAction } from '../../auth/access/rights.ts';
import type { RoleGrant, RoleStore } from '../../auth/accounts/account-store.ts';
import { formatHolder, parseHolder, parseRole } from '../../auth/accounts/names.ts';
import { EntryUnknownError } from '../../auth/errors.ts';
import type { JobRuleStore } from '../../auth/jobs/job-rule.ts';
import { parseJobRule } from '../../auth/jobs/parse-job-rule.ts';
import { Pace } from '../../lib/sync/pace.ts';
import { RegistryError } from '../errors.ts';
import { answerEmpty, answerJson } from '../http/answer.ts';
import { queryOf } from '../registry/parameters.ts';
import type { RequestContext, RequestRouter } from '../request-context.ts';
import { fieldsOf, required } from './request-fields.ts';
import { requireAdmin, requirePerson } from './require.ts';
import { cursorAfter, rowPageOf } from './row-page.ts';

/** Grants that one query reads, and that one request looks at: the rest comes with the next page. */
const AT_ONCE = 1000;
const MOST_LOOKED_AT = 10_000;
/** Steps of Pace that reading a grant and comparing it with the asker's costs. */
const STEPS_OF_GRANT = 40;

/** Who has which role on which repositories. For administrators, and for admins of repositories about these. */
export function addGrantRoutes(router: RequestRouter, roles: RoleStore): void {
  router.get('/grants', async (ctx) => {
    const { grants, next } = await visibleGrants(ctx, roles);
    answerJson(ctx, 200, { grants: grants.map(shown), next });
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

/** A page of the grants that somebody may change. It is not full when it has looked at as many as one request may. */
async function visibleGrants(
  ctx: RequestContext,
  roles: RoleStore,
): Promise<{ readonly grants: readonly RoleGrant[]; readonly next: string | null }> {
  const { rights } = ctx.state.identity;
  const page = rowPageOf(ctx, 3);
  const pace = new Pace();
  const grants: RoleGrant[] = [];
  let { after } = page;
  for (let looked = 0; looked < MOST_LOOKED_AT; looked += AT_ONCE) {
    ctx.state.signal.throwIfAborted();
    const found = await roles.list({ limit: AT_ONCE, ...(after !== undefined && { after }) });
    for (const grant of found) {
      await pace.after(STEPS_OF_GRANT);
      if (allowsAction(rights, grant.pattern, 'manage')) grants.push(grant);
      if (grants.length === page.limit) return { grants, next: cursorAfter(keyOf(grant)) };
    }
    const last = found.at(-1);
    if (found.length < AT_ONCE || last === undefined) return { grants, next: null };
    after = keyOf(last);
  }
  return { grants, next: cursorAfter(after) };
}

function keyOf({ holder, pattern }: RoleGrant): readonly string[] {
  return [holder.kind, holder.kind === 'public' ? '' : holder.name, pattern];
}

function requireManager(ctx: RequestContext, pattern: string): void {
  if (allowsAction(ctx.state.identity.rights, pattern, 'manage')) return;
  throw new RegistryError('DENIED', `you may not grant roles on ${pattern}`);
}

function shown({ holder, pattern, role }: RoleGrant) {
  return { holder: formatHolder(holder), pattern, role };
}

/** Which jobs of other systems have a role, on the word of these. For administrators. */
export function addRuleRoutes(router: RequestRouter, jobRules: JobRuleStore): void {
  router.get('/rules', async (ctx) => {
    requireAdmin(ctx);
    answerJson(ctx, 200, { rules: await jobRules.list() });
  });

  router.post('/rules', async (ctx) => {
    requireAdmin(ctx);
    requirePerson(ctx);
    const { claims, ...fields } = await fieldsOf(ctx, {
      name: 'string',
      issuer: 'string',
      audience: 'string',
      claims: 'texts',
      role: 'string',
      pattern: 'string',
    });
    const text = (name: keyof typeof fields) => required(name, fields[name]);
    const rule = parseJobRule({
      name: text('name'),
      issuer: text('issuer'),
      audience: text('audience'),
      claims: required('claims', claims),
      role: text('role'),
      pattern: text('pattern'),
    });
    await jobRules.create(rule);
    answerJson(ctx, 201, rule);
  });

  router.delete('/rules/:name', async (ctx) => {
    requireAdmin(ctx);
    const name = String(ctx.params.name);
    if (!(await jobRules.remove(name))) throw new EntryUnknownError(`there is no rule named "${name}"`);
    answerEmpty(ctx, 204);
  });
}
