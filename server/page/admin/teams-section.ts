import { type Html, html } from '../../markup/html.ts';
import type { RequestContext } from '../../request-context.ts';
import type { ApiCalls } from '../api-calls.ts';
import { counted } from '../format.ts';
import { asked } from '../page-context.ts';
import { empty, field, pageHead, pager, table } from '../parts.ts';
import { askingLink } from '../question.ts';
import { buttonForm, type Section, sectionForm } from '../section/section.ts';
import { sectionPath } from './admin-tabs.ts';

interface Team {
  readonly name: string;
  readonly members: readonly string[];
}

/** Teams: people who have roles together. */
export const TEAMS: Section = {
  path: '/admin/teams',
  title: 'Teams',
  lead: 'People who have roles together.',
  async show(ctx, api, draft) {
    const after = asked(ctx, 'after');
    const query = { limit: '100', ...(after !== '' && { after }) };
    const { next, teams } = await api.call<{ readonly teams: readonly Team[]; readonly next: string | null }>(
      ctx,
      'listTeams',
      { query },
    );
    const rows = teams.map(({ members, name }) => [
      html`<a href="${sectionPath(ctx, 'teams/one', { team: name })}">${name}</a>`,
      counted(members.length, 'member'),
      members.slice(0, 8).join(', ') + (members.length > 8 ? ', …' : ''),
    ]);
    const list =
      rows.length === 0
        ? empty('No teams yet', html`<p>A team has roles, and all its members have them.</p>`)
        : table('Teams', [{ head: 'Name' }, { head: 'Members' }, { head: 'Who', kind: 'wide' }], rows);
    return html`${list}${pager(
      after === '' ? undefined : sectionPath(ctx, 'teams'),
      next === null ? undefined : sectionPath(ctx, 'teams', { after: next }),
    )}${sectionForm(ctx, {
      id: 'add-team',
      title: 'Add a team',
      action: sectionPath(ctx, 'teams/add'),
      button: 'Add the team',
      content: field('team-name', { label: 'Name', name: 'name', value: draft.value('name'), maxLength: 64 }),
    })}`;
  },
  details: { one: showTeam },
  actions: {
    add: {
      done: 'The team is added.',
      async run(ctx, api, read) {
        await api.call(ctx, 'addTeam', { body: { name: read('name') } });
        return undefined;
      },
    },
    remove: {
      done: 'The team is removed.',
      ask: (ctx) => ({
        title: `Remove the team ${asked(ctx, 'team')}?`,
        text: html`<p>Its roles and robots are removed too. Its members keep their accounts and their own roles.</p>`,
        verb: 'Remove',
        back: teamPath(ctx),
      }),
      async run(ctx, api) {
        await api.call(ctx, 'removeTeam', { params: { team: asked(ctx, 'team') } });
        return undefined;
      },
    },
    join: {
      done: 'The member is added.',
      next: teamPath,
      async run(ctx, api, read) {
        await api.call(ctx, 'joinTeam', { params: { team: asked(ctx, 'team'), name: read('name') } });
        return undefined;
      },
    },
    leave: {
      done: 'The member is removed.',
      next: teamPath,
      async run(ctx, api) {
        await api.call(ctx, 'leaveTeam', { params: { team: asked(ctx, 'team'), name: asked(ctx, 'name') } });
        return undefined;
      },
    },
  },
};

function teamPath(ctx: RequestContext): string {
  return sectionPath(ctx, 'teams/one', { team: asked(ctx, 'team') });
}

async function showTeam(ctx: RequestContext, api: ApiCalls): Promise<Html> {
  const team = asked(ctx, 'team');
  const { members } = await api.call<Team>(ctx, 'findTeam', { params: { team } });
  const rows = members.map((name) => [
    html`<a href="${sectionPath(ctx, 'users/one', { name })}">${name}</a>`,
    buttonForm(ctx, sectionPath(ctx, 'teams/leave', { team, name }), 'Remove'),
  ]);
  return html`${pageHead(team, {
    crumbs: [{ href: sectionPath(ctx, 'teams'), text: 'Teams' }],
    actions: askingLink(sectionPath(ctx, 'teams/remove', { team }), 'Remove the team'),
  })}${
    rows.length === 0
      ? empty('No members yet', html`<p>Add the first one below.</p>`)
      : table(`Members of ${team}`, [{ head: 'Name' }, { head: 'Actions', kind: 'end' }], rows)
  }${sectionForm(ctx, {
    id: 'join-team',
    title: 'Add a member',
    action: sectionPath(ctx, 'teams/join', { team }),
    button: 'Add',
    content: field('member', { label: 'Name of the account', name: 'name' }),
  })}`;
}
