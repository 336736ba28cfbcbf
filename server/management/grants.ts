import { parsePattern } from '../../auth/access/pattern.ts';
import { allowsAction } from '../../auth/access/rights.ts';
import { ROLES } from '../../auth/access/role.ts';
import type { RoleGrant, RoleStore } from '../../auth/accounts/account-store.ts';
import { formatHolder, parseHolder, parseRole } from '../../auth/accounts/names.ts';
import type { RowPage } from '../../auth/auth-database.ts';
import { EntryUnknownError } from '../../auth/errors.ts';
import type { JobRuleStore } from '../../auth/jobs/job-rule.ts';
import { parseJobRule } from '../../auth/jobs/parse-job-rule.ts';
import { Pace } from '../../lib/sync/pace.ts';
import { ADMINS, ADMINS_IN_PERSON, EVERYBODY } from '../api/access.ts';
import { cursorAfter, PAGE, pageOf, rowPageOf } from '../api/page.ts';
import { type Route, route } from '../api/route.ts';
import { list, object, record, text } from '../api/schema.ts';
import { RegistryError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';
import { NAME, PATTERN } from './schemas.ts';

/** Maximum grants per query, and per request: the rest comes with the next page. */
const AT_ONCE = 1000;
const MOST_LOOKED_AT = 10_000;
/** Cost of reading a grant and comparing it with the caller's, in steps of Pace. */
const STEPS_OF_GRANT = 40;

const HOLDER = text({ description: 'user:NAME, team:NAME or public' });
const GRANT = object({ holder: HOLDER, pattern: PATTERN, role: text({ enum: ROLES }) }, { title: 'Grant' });

/** Who has which role on which repositories. Admins of repositories see and change the grants on these. */
export function grantRoutes(roles: RoleStore): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/grants',
      id: 'listGrants',
      summary: 'Roles on the repositories on which the caller may grant roles',
      access: EVERYBODY,
      area: 'grants',
      query: PAGE,
      answer: pageOf('grants', GRANT),
      async handle({ ctx, query }) {
        const { rights } = ctx.state.identity;
        const { grants, next } = await matchingGrants(ctx, roles, rowPageOf(query, 3), ({ pattern }) =>
          allowsAction(rights, pattern, 'manage'),
        );
        return { grants: grants.map(shown), next };
      },
    }),
    route({
      method: 'PUT',
      path: '/grants',
      id: 'putGrant',
      summary: 'Give a role, replacing the one on the same pattern',
      description: 'For administrators, and for admins of all repositories that the pattern matches.',
      access: EVERYBODY,
      area: 'grants',
      body: GRANT,
      answer: GRANT,
      errors: { 404: 'There is no such holder' },
      async handle({ ctx, body: { holder, pattern, role } }) {
        const grant = parseRole({ holder: parseHolder(holder), pattern: parsePattern(pattern), role });
        requireManager(ctx, grant.pattern);
        await roles.put(grant);
        return shown(grant);
      },
    }),
    route({
      method: 'DELETE',
      path: '/grants',
      id: 'removeGrant',
      summary: 'Remove a role',
      description: 'For administrators, and for admins of all repositories that the pattern matches.',
      access: EVERYBODY,
      area: 'grants',
      query: { pattern: text({ description: 'As it was granted' }), holder: HOLDER },
      errors: { 404: 'The holder has no role on this pattern' },
      async handle({ ctx, query }) {
        const pattern = parsePattern(query.pattern);
        const holder = parseHolder(query.holder);
        requireManager(ctx, pattern);
        if (!(await roles.remove(holder, pattern))) {
          throw new EntryUnknownError(`${formatHolder(holder)} has no role on ${pattern}`);
        }
      },
    }),
  ];
}

/** Returns a page of matching grants. It may be short when the request has examined its maximum. */
export async function matchingGrants(
  ctx: RequestContext,
  roles: Pick<RoleStore, 'list'>,
  page: RowPage,
  fits: (grant: RoleGrant) => boolean,
): Promise<{ readonly grants: readonly RoleGrant[]; readonly next: string | null }> {
  const pace = new Pace();
  const grants: RoleGrant[] = [];
  let { after } = page;
  for (let looked = 0; looked < MOST_LOOKED_AT; looked += AT_ONCE) {
    ctx.state.signal.throwIfAborted();
    const found = await roles.list({ limit: AT_ONCE, ...(after !== undefined && { after }) });
    for (const grant of found) {
      await pace.after(STEPS_OF_GRANT);
      if (fits(grant)) grants.push(grant);
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

const RULE = object(
  {
    name: NAME,
    issuer: text({ description: 'The system, as in "iss" of its tokens' }),
    audience: text({ description: 'Audience of the tokens' }),
    claims: record(text(), { description: 'Required claims of the token; * stands for any characters' }),
    role: text({ enum: ROLES.filter((role) => role !== 'admin') }),
    pattern: PATTERN,
  },
  { title: 'Rule' },
);

/** Roles of jobs of other systems, which vouch for them. */
export function ruleRoutes(jobRules: JobRuleStore): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/rules',
      id: 'listRules',
      summary: 'Which jobs of other systems have a role',
      access: ADMINS,
      area: 'grants',
      answer: object({ rules: list(RULE) }),
      handle: async () => ({ rules: await jobRules.list() }),
    }),
    route({
      method: 'POST',
      path: '/rules',
      id: 'createRule',
      summary: 'Give jobs of another system a role',
      description: 'Jobs log in with the OpenID Connect token of their system as the password.',
      access: ADMINS_IN_PERSON,
      area: 'grants',
      body: RULE,
      status: 201,
      answer: RULE,
      errors: { 409: 'There is a rule of this name already' },
      async handle({ body }) {
        const rule = parseJobRule(body);
        await jobRules.create(rule);
        return rule;
      },
    }),
    route({
      method: 'DELETE',
      path: '/rules/{name}',
      id: 'removeRule',
      summary: 'Remove the role',
      access: ADMINS,
      area: 'grants',
      params: { name: 'The name of the rule' },
      errors: { 404: 'There is no rule of this name' },
      async handle({ params: { name } }) {
        if (!(await jobRules.remove(name))) throw new EntryUnknownError(`there is no rule named "${name}"`);
      },
    }),
  ];
}
