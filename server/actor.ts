import type { Access } from '../auth/access/access.ts';
import { nameOf } from '../auth/access/identity.ts';
import type { Actor } from '../storage/catalog/actor.ts';
import type { RequestContext } from './request-context.ts';

/** For whom a request changes a repository. */
export function actorOf({ state }: RequestContext, access: Access, repository: string): Actor {
  const { identity, origin } = state;
  const name = nameOf(identity);
  return {
    ...(name !== undefined && { name }),
    ...(origin.remote !== undefined && { address: origin.remote }),
    standing: access.standing(identity, repository),
  };
}
