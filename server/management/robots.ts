import { nameOf } from '../../auth/access/identity.ts';
import { isAdmin } from '../../auth/access/rights.ts';
import { parseOwner } from '../../auth/accounts/names.ts';
import { findRobot, makeRobot, renewRobot } from '../../auth/administration/make-credential.ts';
import { parseOwner } from '../../auth/administration/names.ts';
import type { Credential, CredentialStore, Owner } from '../../auth/credentials/credential-store.ts';
import { answerEmpty, answerJson } from '../http/answer.ts';
import type { RequestContext, RequestRouter } from '../request-context.ts';
import { fieldsOf, required } from './request-fields.ts';
import { isPerson, requireAdmin, requirePerson } from './require.ts';
import { nextOf, rowPageOf } from './row-page.ts';
import { endOf, keyOfCredential, shownCredential, shownSecret, termsOf } from './shown-credential.ts';

/** Robot accounts: everybody's own, and for administrators those of others and of teams. */
export function addRobotRoutes(router: RequestRouter, credentials: CredentialStore): void {
  router.get('/robots', async (ctx) => {
    const page = rowPageOf(ctx, 3);
    const { identity } = ctx.state;
    const owner: Owner | undefined = isAdmin(identity.rights)
      ? undefined
      : { kind: 'user', name: nameOf(identity) ?? '' };
    const robots = await credentials.list('robot', owner, page);
    const own = robots.filter((robot) => owner === undefined || isOwner(ctx, robot.owner));
    answerJson(ctx, 200, { robots: own.map(shownCredential), next: nextOf(own, page, keyOfCredential) });
  });

  router.post('/robots', async (ctx) => {
    requirePerson(ctx);
    const fields = await fieldsOf(ctx, {
      owner: 'string',
      name: 'string',
      scopes: 'strings',
      expiresAt: 'time',
    });
    const owner = parseOwner(required('owner', fields.owner));
    if (!isOwner(ctx, owner)) requireAdmin(ctx);
    const made = await makeRobot(credentials, owner, required('name', fields.name), termsOf(fields));
    answerJson(ctx, 201, shownSecret(made));
  });

  router.post('/robots/:name/secret', async (ctx) => {
    requirePerson(ctx);
    await robotOf(ctx);
    const { expiresAt } = await fieldsOf(ctx, { expiresAt: 'time' });
    const end = endOf(expiresAt).expiresAt;
    const { credential, secret } = await renewRobot(credentials, ctx.params.name ?? '', end);
    answerJson(ctx, 201, { ...shownCredential(credential), expiresAt: end?.toISOString() ?? null, secret });
  });

  router.delete('/robots/:name', async (ctx) => {
    const { id } = await robotOf(ctx);
    await credentials.remove(id);
    answerEmpty(ctx, 204);
  });

  /** The robot of the path, if the one who asks may change it; others do not learn whether it is there. */
  async function robotOf(ctx: RequestContext): Promise<Credential> {
    const name = ctx.params.name ?? '';
    const robot = await credentials.findRobot(name);
    if (robot === undefined || !isOwner(ctx, robot.owner)) requireAdmin(ctx);
    return findRobot(credentials, name);
  }
}

function isOwner(ctx: RequestContext, owner: Owner): boolean {
  return owner.kind === 'user' && isPerson(ctx, owner.name);
}
