import { nameOf } from '../../auth/access/access.ts';
import { allowsAction, isAdmin, NO_RIGHTS } from '../../auth/access/rights.ts';
import { actionsOf, ROLES, type Role } from '../../auth/access/role.ts';
import type { RoleGrant } from '../../auth/accounts/account-store.ts';
import { formatHolder } from '../../auth/accounts/names.ts';
import type { AuthStore } from '../../auth/auth-store.ts';
import { isRepositoryName } from '../../oci/reference.ts';
import { EVERYBODY } from '../api/access.ts';
import { limitParameter, rowPageOf } from '../api/page.ts';
import { type Route, route } from '../api/route.ts';
import { integer, list, nullable, object, oneOf, optional, text } from '../api/schema.ts';
import { RegistryError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';
import { matchingGrants } from './grants.ts';
import { PATTERN } from './schemas.ts';

const AT_ONCE = 100;
/** Maximum members of a team that are named. */
const MOST_MEMBERS = 50;
const ACTIONS = ['pull', 'push', 'delete', 'manage'] as const;

const HOLDER = object(
  {
    holder: text({ description: 'user:NAME, team:NAME, public, or job:NAME of a rule for jobs' }),
    actions: list(oneOf(ACTIONS)),
    role: oneOf(ROLES),
    pattern: PATTERN,
    members: optional(
      list(text(), { description: `Of a team, at most ${MOST_MEMBERS}; for administrators and its members` }),
    ),
    memberCount: optional(integer({ description: 'Of a team; for administrators and its members' })),
  },
  { title: 'RepositoryHolder' },
);

/** Identities with rights on one repository, and their roles. */
export function accessRoutes({
  jobRules,
  roles,
  teams,
}: Pick<AuthStore, 'jobRules' | 'roles' | 'teams'>): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/repositories/{repository}/access',
      id: 'showRepositoryAccess',
      summary: 'Who may pull, push and delete in a repository, and by which role',
      description:
        'For administrators and maintainers of the repository, which need not exist yet. Not listed are administrators, who may ' +
        'do everything, and robots and tokens, which may at most what their owner may. Rules for jobs are on the first page. ' +
        'Only administrators and members see who is in a team.',
      access: EVERYBODY,
      area: 'grants',
      params: { repository: 'Name of the repository, with %2F for its slashes' },
      query: {
        limit: limitParameter(AT_ONCE, AT_ONCE),
        after: optional(text({ description: '`next` of the previous page' })),
      },
      answer: object({
        holders: list(HOLDER),
        next: nullable(text({ description: 'The `after` of the next page; null on the last page' })),
      }),
      async handle({ ctx, params: { repository }, query: { limit = AT_ONCE, after } }) {
        requireMaintainer(ctx, repository);
        const page = rowPageOf({ limit, ...(after !== undefined && { after }) }, 3);
        const found = await matchingGrants(ctx, roles, page, (grant) => isAbout(grant, repository));
        const holders = [];
        for (const { holder, pattern, role } of found.grants) {
          const team = holder.kind === 'team' ? await teams.find(holder.name) : undefined;
          holders.push({
            holder: formatHolder(holder),
            ...termsOf(pattern, role),
            ...(team && membersFor(ctx, team.members)),
          });
        }
        const rules = after === undefined ? await jobRules.list() : [];
        const jobs = rules
          .filter((rule) => isAbout(rule, repository))
          .map(({ name, pattern, role }) => ({ holder: `job:${name}`, ...termsOf(pattern, role) }));
        return { holders: [...holders, ...jobs], next: found.next };
      },
    }),
  ];
}

/** Returns the members of a team to administrators and members; other maintainers see only its name and role. */
function membersFor({ state }: RequestContext, members: readonly string[]) {
  const name = nameOf(state.identity);
  if (!isAdmin(state.identity.rights) && (name === undefined || !members.includes(name))) return {};
  return { members: members.slice(0, MOST_MEMBERS), memberCount: members.length };
}

/** Does not reveal whether the repository exists. Throws DENIED. */
function requireMaintainer(ctx: RequestContext, repository: string): void {
  if (isRepositoryName(repository) && allowsAction(ctx.state.identity.rights, repository, 'delete')) return;
  throw new RegistryError('DENIED', 'this is for maintainers of the repository and administrators');
}

function isAbout({ pattern, role }: Pick<RoleGrant, 'pattern' | 'role'>, repository: string): boolean {
  const grants = [{ pattern, actions: actionsOf(role) }];
  return allowsAction({ ...NO_RIGHTS, grants }, repository, 'pull');
}

function termsOf(pattern: string, role: Role) {
  return { actions: actionsOf(role), role, pattern };
}
