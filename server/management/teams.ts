import { unknownTeam } from '../../auth/accounts/knex-team-store.ts';
import type { TeamStore } from '../../auth/accounts/team-store.ts';
import { parseTeamName } from '../../auth/administration/names.ts';
import { EntryUnknownError } from '../../auth/errors.ts';
import { answerEmpty, answerJson } from '../http/answer.ts';
import type { RequestRouter } from '../request-context.ts';
import { fieldsOf, required } from './request-fields.ts';
import { requireAdmin } from './require.ts';
import { nextOf, rowPageOf } from './row-page.ts';

/** Teams: people who have roles together. For administrators. */
export function addTeamRoutes(router: RequestRouter, teams: TeamStore): void {
  router.get('/teams', async (ctx) => {
    requireAdmin(ctx);
    const page = rowPageOf(ctx, 1);
    const found = await teams.list(page);
    answerJson(ctx, 200, { teams: found, next: nextOf(found, page, ({ name }) => [name]) });
  });

  router.post('/teams', async (ctx) => {
    requireAdmin(ctx);
    const fields = await fieldsOf(ctx, { name: 'string' });
    const name = parseTeamName(required('name', fields.name));
    await teams.create(name);
    answerJson(ctx, 201, { name, members: [] });
  });

  router.get('/teams/:team', async (ctx) => {
    requireAdmin(ctx);
    const { team: name = '' } = ctx.params;
    const team = await teams.find(name);
    if (team === undefined) throw unknownTeam(name);
    answerJson(ctx, 200, team);
  });

  router.delete('/teams/:team', async (ctx) => {
    requireAdmin(ctx);
    await teams.remove(ctx.params.team ?? '');
    answerEmpty(ctx, 204);
  });

  router.put('/teams/:team/members/:name', async (ctx) => {
    requireAdmin(ctx);
    const { team = '', name = '' } = ctx.params;
    await teams.join(team, name);
    answerEmpty(ctx, 204);
  });

  router.delete('/teams/:team/members/:name', async (ctx) => {
    requireAdmin(ctx);
    const { team = '', name = '' } = ctx.params;
    if (!(await teams.leave(team, name))) {
      throw new EntryUnknownError(`"${name}" is not in the team "${team}"`);
    }
    answerEmpty(ctx, 204);
  });
}
