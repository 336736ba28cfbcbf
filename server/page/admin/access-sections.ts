import { ROLES } from '../../../auth/access/role.ts';
import { html } from '../../markup/html.ts';
import { dockerLogin, lifeField, type ShownCredential, scopesField, termsOf } from '../credential-parts.ts';
import { timeOf } from '../format.ts';
import { asked } from '../page-context.ts';
import { area, choice, empty, field, pager, table } from '../parts.ts';
import { askingLink } from '../question.ts';
import { type Section, sectionForm } from '../section/section.ts';
import { sectionPath } from './admin-tabs.ts';

interface Grant {
  readonly holder: string;
  readonly pattern: string;
  readonly role: string;
}

const PATTERN_HELP = html`Such as <code>team/*</code>, where <code>*</code> stands for any characters.`;

/** Who has which role on which repositories. */
export const GRANTS: Section = {
  path: '/admin/grants',
  title: 'Roles',
  lead: 'Who has which role on which repositories: readers pull, writers push as well, maintainers delete as well, admins grant roles.',
  async show(ctx, api, draft) {
    const after = asked(ctx, 'after');
    const query = { limit: '200', ...(after !== '' && { after }) };
    const { grants, next } = await api.call<{
      readonly grants: readonly Grant[];
      readonly next: string | null;
    }>(ctx, 'listGrants', { query });
    const rows = grants.map(({ holder, pattern, role }) => [
      holder,
      html`<code>${pattern}</code>`,
      role,
      askingLink(sectionPath(ctx, 'grants/remove', { holder, pattern }), 'Remove'),
    ]);
    const list =
      rows.length === 0
        ? empty('No roles yet', html`<p>Until somebody has a role, only administrators see repositories.</p>`)
        : table(
            'Roles',
            [{ head: 'Who' }, { head: 'Repositories' }, { head: 'Role' }, { head: 'Actions', kind: 'end' }],
            rows,
          );
    return html`${list}${pager(
      after === '' ? undefined : sectionPath(ctx, 'grants'),
      next === null ? undefined : sectionPath(ctx, 'grants', { after: next }),
    )}${sectionForm(ctx, {
      id: 'put-grant',
      title: 'Give a role',
      action: sectionPath(ctx, 'grants/put'),
      button: 'Give the role',
      content: html`${field('holder', { label: 'Who', name: 'holder', value: draft.value('holder'), help: html`<code>user:NAME</code>, <code>team:NAME</code>, or <code>public</code> for everybody without a login.` })}
${field('pattern', { label: 'Repositories', name: 'pattern', value: draft.value('pattern'), help: PATTERN_HELP })}
${choice('role', { label: 'Role', name: 'role', value: draft.value('role', 'reader'), values: ROLES.map((role) => [role, role] as const) })}`,
    })}`;
  },
  actions: {
    put: {
      done: 'The role is given.',
      async run(ctx, api, read) {
        const body = { holder: read('holder'), pattern: read('pattern'), role: read('role') };
        await api.call(ctx, 'putGrant', { body });
        return undefined;
      },
    },
    remove: {
      done: 'The role is removed.',
      ask: (ctx) => ({
        title: `Remove the role of ${asked(ctx, 'holder')}?`,
        text: html`<p>On <code>${asked(ctx, 'pattern')}</code>. Issued tokens expire within minutes.</p>`,
        verb: 'Take away',
        back: sectionPath(ctx, 'grants'),
      }),
      async run(ctx, api) {
        const query = { holder: asked(ctx, 'holder'), pattern: asked(ctx, 'pattern') };
        await api.call(ctx, 'removeGrant', { query });
        return undefined;
      },
    },
  },
};

/** Accounts of programs. */
export const ROBOTS: Section = {
  path: '/admin/robots',
  title: 'Robots',
  lead: 'Accounts of programs, each with at most the rights of its owner.',
  async show(ctx, api, draft) {
    const after = asked(ctx, 'after');
    const query = { limit: '100', ...(after !== '' && { after }) };
    const { next, robots } = await api.call<{
      readonly robots: readonly ShownCredential[];
      readonly next: string | null;
    }>(ctx, 'listRobots', { query });
    const rows = robots.map(({ expiresAt, lastUsedAt, name, owner, scopes }) => [
      html`<span class="mono">${name}</span>`,
      owner,
      html`<code>${scopes?.join(' ') ?? ''}</code>`,
      timeOf(lastUsedAt),
      expiresAt === null ? 'never' : timeOf(expiresAt),
      html`<span class="actions"><a class="button" href="${sectionPath(ctx, 'robots/renew', { name })}" data-dialog>New secret</a>${askingLink(sectionPath(ctx, 'robots/remove', { name }), 'Remove')}</span>`,
    ]);
    const columns = [
      { head: 'Logs in as' },
      { head: 'Owner', kind: 'wide' },
      { head: 'May', kind: 'wide' },
      { head: 'Last used', kind: 'wide' },
      { head: 'Secret ends', kind: 'wide' },
      { head: 'Actions', kind: 'end' },
    ] as const;
    const list =
      rows.length === 0
        ? empty(
            'No robots yet',
            html`<p>A robot is for a pipeline or a host: it logs in with a secret of its own.</p>`,
          )
        : table('Robots', columns, rows);
    return html`${list}${pager(
      after === '' ? undefined : sectionPath(ctx, 'robots'),
      next === null ? undefined : sectionPath(ctx, 'robots', { after: next }),
    )}${sectionForm(ctx, {
      id: 'make-robot',
      title: 'Make a robot',
      action: sectionPath(ctx, 'robots/make'),
      button: 'Make the robot',
      content: html`${field('owner', { label: 'Owner', name: 'owner', value: draft.value('owner', `user:${ctx.state.session?.name ?? ''}`), help: html`<code>user:NAME</code> or <code>team:NAME</code>.` })}
${field('robot-name', { label: 'Name', name: 'name', value: draft.value('name'), help: 'Its user name is the owner’s name, a plus and this.' })}
${scopesField('robot-scopes', false)}${lifeField('robot-life')}`,
    })}`;
  },
  actions: {
    make: {
      done: 'The robot is made.',
      async run(ctx, api, read) {
        const body = { owner: read('owner'), name: read('name'), scopes: [], ...termsOf(read) };
        const made = await api.call<{ readonly name: string; readonly secret: string }>(ctx, 'makeRobot', {
          body,
        });
        return {
          title: `The secret of ${made.name}`,
          secret: made.secret,
          command: dockerLogin(ctx, made.name),
        };
      },
    },
    renew: {
      done: 'The robot has a new secret.',
      ask: (ctx) => ({
        title: `Make a new secret for ${asked(ctx, 'name')}?`,
        text: html`<p>The old secret ends at once: programs that use it are refused until they have the new one.</p>`,
        verb: 'Make a new secret',
        back: sectionPath(ctx, 'robots'),
      }),
      async run(ctx, api) {
        const name = asked(ctx, 'name');
        const made = await api.call<{ readonly secret: string }>(ctx, 'renewRobot', { params: { name } });
        return { title: `The secret of ${name}`, secret: made.secret, command: dockerLogin(ctx, name) };
      },
    },
    remove: {
      done: 'The robot is removed.',
      ask: (ctx) => ({
        title: `Remove the robot ${asked(ctx, 'name')}?`,
        text: html`<p>Programs that log in as it are refused from then on.</p>`,
        verb: 'Remove',
        back: sectionPath(ctx, 'robots'),
      }),
      async run(ctx, api) {
        await api.call(ctx, 'removeRobot', { params: { name: asked(ctx, 'name') } });
        return undefined;
      },
    },
  },
};

interface Rule {
  readonly name: string;
  readonly issuer: string;
  readonly audience: string;
  readonly claims: Readonly<Record<string, string>>;
  readonly role: string;
  readonly pattern: string;
}

/** Jobs of other systems that have a role. */
export const JOBS: Section = {
  path: '/admin/jobs',
  title: 'Jobs',
  lead: 'Jobs of CI systems that log in with the OpenID Connect token of their system, without a secret.',
  async show(ctx, api, draft) {
    const { rules } = await api.call<{ readonly rules: readonly Rule[] }>(ctx, 'listRules');
    const rows = rules.map(({ claims, issuer, name, pattern, role }) => [
      name,
      issuer,
      html`<code>${linesOf(claims).join(' ')}</code>`,
      html`<code>${pattern}</code>`,
      role,
      askingLink(sectionPath(ctx, 'jobs/remove', { name }), 'Remove'),
    ]);
    const columns = [
      { head: 'Name' },
      { head: 'Issuer', kind: 'wide' },
      { head: 'Claims', kind: 'wide' },
      { head: 'Repositories' },
      { head: 'Role' },
      { head: 'Actions', kind: 'end' },
    ] as const;
    const list =
      rows.length === 0
        ? empty('No rules yet', html`<p>With a rule, a pipeline pushes without a stored password.</p>`)
        : table('Jobs', columns, rows);
    return html`${list}${sectionForm(ctx, {
      id: 'add-rule',
      title: 'Add a rule',
      action: sectionPath(ctx, 'jobs/add'),
      button: 'Add the rule',
      content: html`${field('rule-name', { label: 'Name', name: 'name', value: draft.value('name') })}
${field('issuer', { label: 'Issuer', name: 'issuer', type: 'url', value: draft.value('issuer'), help: 'Such as https://token.actions.githubusercontent.com' })}
${field('audience', { label: 'Audience', name: 'audience', value: draft.value('audience') })}
${area('claims', { label: 'Claims', name: 'claims', value: draft.value('claims'), help: html`One per line, such as <code>repository=owner/app</code>.` })}
${field('rule-pattern', { label: 'Repositories', name: 'pattern', value: draft.value('pattern'), help: PATTERN_HELP })}
${choice('rule-role', { label: 'Role', name: 'role', value: draft.value('role', 'writer'), values: ROLES.filter((role) => role !== 'admin').map((role) => [role, role] as const) })}`,
    })}`;
  },
  actions: {
    add: {
      done: 'The rule is added.',
      async run(ctx, api, read) {
        const names = ['name', 'issuer', 'audience', 'pattern', 'role'] as const;
        const fields = Object.fromEntries(names.map((name) => [name, read(name)]));
        await api.call(ctx, 'createRule', { body: { ...fields, claims: pairsOf(read('claims')) } });
        return undefined;
      },
    },
    remove: {
      done: 'The rule is removed.',
      ask: (ctx) => ({
        title: `Remove the rule ${asked(ctx, 'name')}?`,
        text: html`<p>Its jobs can no longer log in.</p>`,
        verb: 'Remove',
        back: sectionPath(ctx, 'jobs'),
      }),
      async run(ctx, api) {
        await api.call(ctx, 'removeRule', { params: { name: asked(ctx, 'name') } });
        return undefined;
      },
    },
  },
};

function linesOf(values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).map(([name, value]) => `${name}=${value}`);
}

/** Parses `NAME=VALUE` on each line that is not empty. */
export function pairsOf(text: string): Readonly<Record<string, string>> {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf('=');
      return at < 0 ? [line, ''] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    }),
  );
}
