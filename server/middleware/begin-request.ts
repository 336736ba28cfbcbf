import type { Middleware } from 'koa';
import { ANONYMOUS } from '../../auth/access/identity.ts';
import { BodyMemory } from '../body-memory.ts';
import { type ChallengePolicy, challengeFor } from '../challenges.ts';
import { clientSignal } from '../http/client-signal.ts';
import { COMMON_HEADERS } from '../http/common-headers.ts';
import { discardUnread } from '../http/discard-unread.ts';
import { requestOrigin } from '../http/forwarded.ts';
import { expectsContinue } from '../http/request-body.ts';
import type { TrustedProxies } from '../http/trusted-proxies.ts';
import type { RequestState } from '../request-context.ts';

/** Bytes of all unfinished bodies that are read whole: a manifest has at most 4 MiB. */
const BODY_MEMORY = 64 * 1024 * 1024;

/** Sets up what every later step relies on, and leaves the connection in order when the answer is known. */
export function beginRequest(
  pathPrefix: string,
  proxies: TrustedProxies,
  challenges: ChallengePolicy,
): Middleware<RequestState> {
  const bodies = new BodyMemory(BODY_MEMORY);
  return async (ctx, next) => {
    ctx.state.bodies = bodies;
    ctx.set(COMMON_HEADERS);
    ctx.state.identity = ANONYMOUS;
    ctx.state.origin = requestOrigin(ctx.req, proxies);
    ctx.state.challenge = challengeFor(challenges, ctx.state.origin, pathPrefix);
    ctx.state.pathPrefix = pathPrefix;
    ctx.state.signal = clientSignal(ctx.res);
    ctx.state.sentPastNode = 0;
    ctx.state.receivedPastNode = 0;
    await next();
    discardUnread(ctx.req);
    // The client was not told to go on: whether its body still comes, nobody can know (RFC 9110, 10.1.1).
    if (expectsContinue(ctx.req) && !ctx.req.complete && !ctx.res.headersSent) ctx.set('Connection', 'close');
  };
}
