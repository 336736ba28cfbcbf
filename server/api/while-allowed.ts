import { setTimeout as sleep } from 'node:timers/promises';
import type { Identity } from '../../auth/access/access.ts';
import { DatabaseUnavailableError } from '../../storage/errors.ts';
import type { RequestContext } from '../request-context.ts';
import { type Access, type ScopedRoute, scopedTo } from './access.ts';

/** Milliseconds between two checks. */
const RECHECK = 5_000;

/**
 * Returns the client's current identity by the credentials of its request; undefined or rejected when these are no
 * longer valid.
 */
export type IdentifyAgain = (ctx: RequestContext) => Promise<Identity | undefined>;

/**
 * Returns a signal for a long answer or connection. It aborts with `until`, and within seconds after the client has
 * logged out, or its account, token or right to the route is gone. While the database is unavailable the client
 * continues.
 */
export function whileAllowed(
  ctx: RequestContext,
  route: ScopedRoute & { readonly access: Access },
  identifyAgain: IdentifyAgain,
  until: AbortSignal,
): AbortSignal {
  const refused = new AbortController();
  const signal = AbortSignal.any([until, refused.signal]);
  const isAllowed = async () => {
    try {
      const identity = await identifyAgain(ctx);
      const scoped = identity && scopedTo(identity, route);
      if (scoped === undefined) return false;
      const state = { ...ctx.state, identity: scoped };
      await route.access.check(Object.create(ctx, { state: { value: state } }));
      return true;
    } catch (error) {
      return error instanceof DatabaseUnavailableError;
    }
  };
  const watch = async () => {
    do await sleep(RECHECK, undefined, { signal, ref: false });
    while (await isAllowed());
    refused.abort();
  };
  // It is rejected when the answer has ended.
  watch().catch(() => undefined);
  return signal;
}
