import type { TeamStore } from '../../auth/accounts/account-store.ts';
import { unknownTeam } from '../../auth/accounts/knex-team-store.ts';
import { parseTeamName } from '../../auth/accounts/names.ts';
import { EntryUnknownError } from '../../auth/errors.ts';
import { ADMINS } from '../api/access.ts';
import { nextOf, PAGE, pageOf, rowPageOf } from '../api/page.ts';
import { type Route, route } from '../api/route.ts';
import { list, object, text } from '../api/schema.ts';

const TEAM = object({ name: text(), members: list(text()) }, { title: 'Team' });
const OF_TEAM = { team: 'Name of the team' } as const;
const OF_MEMBER = { ...OF_TEAM, name: 'Of the account' } as const;
const NO_TEAM = 'There is no team of this name';

/** Teams: people who have roles together. */
export function teamRoutes(teams: TeamStore): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/teams',
      id: 'listTeams',
      summary: 'All teams',
      access: ADMINS,
      area: 'accounts',
      query: PAGE,
      answer: pageOf('teams', TEAM),
      async handle({ query }) {
        const page = rowPageOf(query, 1);
        const found = await teams.list(page);
        return { teams: found, next: nextOf(found, page, ({ name }) => [name]) };
      },
    }),
    route({
      method: 'POST',
      path: '/teams',
      id: 'addTeam',
      summary: 'Make a team',
      access: ADMINS,
      area: 'accounts',
      body: object({ name: text() }, { title: 'NewTeam' }),
      status: 201,
      answer: TEAM,
      errors: { 409: 'There is a team of this name already' },
      async handle({ body }) {
        const name = parseTeamName(body.name);
        await teams.create(name);
        return { name, members: [] };
      },
    }),
    route({
      method: 'GET',
      path: '/teams/{team}',
      id: 'findTeam',
      summary: 'One team',
      access: ADMINS,
      area: 'accounts',
      params: OF_TEAM,
      answer: TEAM,
      errors: { 404: NO_TEAM },
      async handle({ params }) {
        const team = await teams.find(params.team);
        if (team === undefined) throw unknownTeam(params.team);
        return team;
      },
    }),
    route({
      method: 'DELETE',
      path: '/teams/{team}',
      id: 'removeTeam',
      summary: 'Remove a team with its roles and robots',
      access: ADMINS,
      area: 'accounts',
      params: OF_TEAM,
      errors: { 404: NO_TEAM },
      handle: ({ params: { team } }) => teams.remove(team),
    }),
    route({
      method: 'PUT',
      path: '/teams/{team}/members/{name}',
      id: 'joinTeam',
      summary: 'Add a member',
      description: 'It needs no body.',
      access: ADMINS,
      area: 'accounts',
      params: OF_MEMBER,
      errors: { 404: 'There is no such team or account' },
      handle: ({ params: { team, name } }) => teams.join(team, name),
    }),
    route({
      method: 'DELETE',
      path: '/teams/{team}/members/{name}',
      id: 'leaveTeam',
      summary: 'Remove a member',
      access: ADMINS,
      area: 'accounts',
      params: OF_MEMBER,
      errors: { 404: 'The team has no such member' },
      async handle({ params: { team, name } }) {
        if (!(await teams.leave(team, name))) {
          throw new EntryUnknownError(`"${name}" is not in the team "${team}"`);
        }
      },
    }),
  ];
}
