import { nameOf } from '../../auth/access/access.ts';
import { isAdmin } from '../../auth/access/rights.ts';
import { parseOwner } from '../../auth/accounts/names.ts';
import { findRobot, makeRobot, renewRobot } from '../../auth/administration/make-credential.ts';
import type { CredentialStore, Owner } from '../../auth/credentials/credential-store.ts';
import { type Access, EVERYBODY, IN_PERSON, isPerson, requireAdmin, requirePerson } from '../api/access.ts';
import { nextOf, PAGE, pageOf, rowPageOf } from '../api/page.ts';
import { type Route, route } from '../api/route.ts';
import { list, object, optional, text } from '../api/schema.ts';
import type { RequestContext } from '../request-context.ts';
import {
  CREDENTIAL,
  endOf,
  keyOfCredential,
  MADE_CREDENTIAL,
  NEW_END,
  NEW_SCOPES,
  shownCredential,
  shownSecret,
  termsOf,
} from './credentials.ts';

const OF_ROBOT = { name: 'The user name of the robot' } as const;

/** Robot accounts: those of the caller, and for administrators those of all people and teams. */
export function robotRoutes(credentials: CredentialStore): readonly Route[] {
  const owners: Access = {
    who: 'For the owner and administrators.',
    check: (ctx) => requireOwner(ctx, credentials),
  };
  return [
    route({
      method: 'GET',
      path: '/robots',
      id: 'listRobots',
      summary: "One's own robot accounts; all of them for administrators",
      access: EVERYBODY,
      area: 'credentials',
      query: PAGE,
      answer: pageOf('robots', CREDENTIAL),
      async handle({ ctx, query }) {
        const page = rowPageOf(query, 3);
        const { identity } = ctx.state;
        const owner: Owner | undefined = isAdmin(identity.rights)
          ? undefined
          : { kind: 'user', name: nameOf(identity) ?? '' };
        const robots = await credentials.list('robot', owner, page);
        const own = robots.filter((robot) => owner === undefined || isOwner(ctx, robot.owner));
        return { robots: own.map(shownCredential), next: nextOf(own, page, keyOfCredential) };
      },
    }),
    route({
      method: 'POST',
      path: '/robots',
      id: 'makeRobot',
      summary: 'Make a robot account',
      description:
        'For oneself; for others and for teams by administrators. It has at most the rights of its owner.',
      access: IN_PERSON,
      area: 'credentials',
      body: object(
        {
          owner: text({ description: 'user:NAME or team:NAME' }),
          name: text({ description: "It logs in as the owner's name, a plus and this" }),
          // makeRobot reports missing scopes.
          scopes: optional(list(text(), { ...NEW_SCOPES, minItems: 1 })),
          expiresAt: NEW_END,
        },
        { title: 'NewRobot', required: ['owner', 'name', 'scopes'] },
      ),
      status: 201,
      answer: MADE_CREDENTIAL,
      errors: { 404: 'There is no such owner', 409: 'There is a robot account of this name already' },
      async handle({ ctx, body }) {
        const owner = parseOwner(body.owner);
        if (!isOwner(ctx, owner)) requireAdmin(ctx);
        return shownSecret(await makeRobot(credentials, owner, body.name, termsOf(body)));
      },
    }),
    route({
      method: 'POST',
      path: '/robots/{name}/secret',
      id: 'renewRobot',
      summary: 'Make a new secret; the old one ends',
      access: {
        ...owners,
        inPerson: true,
        check: async (ctx) => {
          requirePerson(ctx);
          await owners.check(ctx);
        },
      },
      area: 'credentials',
      params: OF_ROBOT,
      body: object({ expiresAt: NEW_END }, { title: 'NewSecret' }),
      status: 201,
      answer: MADE_CREDENTIAL,
      errors: { 404: 'There is no robot account of this name' },
      async handle({ params: { name }, body }) {
        const end = endOf(body.expiresAt).expiresAt;
        const { credential, secret } = await renewRobot(credentials, name, end);
        return { ...shownCredential(credential), expiresAt: end?.toISOString() ?? null, secret };
      },
    }),
    route({
      method: 'DELETE',
      path: '/robots/{name}',
      id: 'removeRobot',
      summary: 'Remove a robot account',
      access: owners,
      area: 'credentials',
      params: OF_ROBOT,
      errors: { 404: 'There is no robot account of this name' },
      async handle({ params: { name } }) {
        const { id } = await findRobot(credentials, name);
        await credentials.remove(id);
      },
    }),
  ];
}

/**
 * Continues for the owner of the path's robot and for administrators; others do not learn whether it exists. Throws
 * DENIED, and EntryUnknownError.
 */
async function requireOwner(ctx: RequestContext, credentials: CredentialStore): Promise<void> {
  const name = ctx.params.name ?? '';
  const robot = await credentials.findRobot(name);
  if (robot === undefined || !isOwner(ctx, robot.owner)) requireAdmin(ctx);
  await findRobot(credentials, name);
}

function isOwner(ctx: RequestContext, owner: Owner): boolean {
  return owner.kind === 'user' && isPerson(ctx, owner.name);
}
