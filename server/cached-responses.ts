import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Middleware } from 'koa';
import type { Logger } from 'pino';
import { type Access, ANONYMOUS, type Identity } from '../auth/access/access.ts';
import type { Authenticator } from '../auth/authenticators/authenticator.ts';
import { makeRequestId, requestIdOf } from '../lib/http/request-id.ts';
import { TOUCH_INTERVAL } from '../storage/catalog/catalog.ts';
import type { CatalogVersion } from '../storage/catalog/catalog-version.ts';
import { answerJson, canAnswer, sendPrepared } from './http/answer.ts';
import { requestOrigin, type TrustedProxies } from './http/forwarded.ts';
import { type AnswerCache, asksForMore, type KeptAnswer } from './registry/answer-cache.ts';
import type { RequestState } from './request-context.ts';
import type { RequestRecorder } from './request-recorder.ts';

export interface CachedResponsesDependencies {
  readonly access: Access;
  readonly answers: AnswerCache;
  readonly authenticator: Authenticator | undefined;
  readonly isDraining: () => boolean;
  readonly log: Logger;
  readonly proxies: TrustedProxies;
  readonly recorder: RequestRecorder;
}

/**
 * Returns a handler that answers from the cache, without a turn of the event loop, if the answer is still valid and the
 * client has the right to it. It returns false, and has done nothing, for requests that the application must handle:
 * its routes fill the cache, and only it refuses requests.
 */
export function createCachedResponses(
  dependencies: CachedResponsesDependencies,
): (req: IncomingMessage, res: ServerResponse) => boolean {
  const { access, answers, authenticator, isDraining, log, proxies, recorder } = dependencies;

  const find = (req: IncomingMessage) => {
    const kept = answers.find(req.url ?? '');
    if (kept === undefined || !canAnswer(kept.answer, req) || asksForMore(req) || isDraining()) {
      return undefined;
    }
    const identity =
      authenticator === undefined
        ? ANONYMOUS
        : authenticator.known(req.headers.authorization, () => requestOrigin(req, proxies).remote);
    if (identity === undefined || !access.allows(identity, kept.scope)) return undefined;
    return mustRenew(kept, identity) ? undefined : { kept, identity };
  };

  const mustRenew = ({ renewal }: KeptAnswer, identity: Identity): boolean =>
    renewal !== undefined &&
    Date.now() - renewal.at >= TOUCH_INTERVAL &&
    access.allows(identity, renewal.scope);

  return (req, res) => {
    let found: ReturnType<typeof find>;
    try {
      found = find(req);
    } catch (error) {
      log.error(
        { err: error, requestId: requestIdOf(req) },
        'it could not be checked whether cached answers are still valid',
      );
    }
    if (found === undefined) return false;
    const { kept, identity } = found;
    // To keep it in the request would cost more than to make it.
    const id = makeRequestId(req);
    recorder.follow(req, res, id, () => ({
      route: kept.route,
      identity,
      sentPastNode: 0,
      receivedPastNode: 0,
    }));
    sendPrepared(kept.answer, req, res, id);
    return true;
  };
}

type Handle = (req: IncomingMessage, res: ServerResponse) => void;

interface RequestHandlers {
  /** Returns false, and has done nothing, when the answer is not cached. */
  readonly fromCache: (req: IncomingMessage, res: ServerResponse) => boolean;
  readonly byRoutes: Handle;
  readonly version: CatalogVersion;
  /** Called with a request that the routes must refuse, and the reason: the catalog is unavailable. */
  readonly onUnavailable: (req: IncomingMessage, cause: unknown) => void;
}

/**
 * Handles each request from the cache or, failing that, by the routes. With several replicas the version of the catalog
 * is read after the request has arrived, so that no replica answers from a cache that is older than the request.
 */
export function createRequestHandler({
  fromCache,
  byRoutes,
  version,
  onUnavailable,
}: RequestHandlers): Handle {
  const answer: Handle = (req, res) => {
    if (!fromCache(req, res)) byRoutes(req, res);
  };
  if (version.refresh === undefined) return answer;
  return (req, res) => {
    // Liveness of the process does not depend on the database.
    if (isAboutHealth(req)) {
      byRoutes(req, res);
      return;
    }
    version.refresh?.().then(
      () => answer(req, res),
      (cause: unknown) => {
        onUnavailable(req, cause);
        byRoutes(req, res);
      },
    );
  };
}

export interface Health {
  /** Returns false while the server must get no new requests: when it is stopping, and when it cannot work. */
  readonly isReady: () => Promise<boolean>;
}

const PATHS: readonly string[] = ['/healthz', '/readyz'];

function isAboutHealth({ url = '' }: IncomingMessage): boolean {
  return PATHS.includes(url);
}

/**
 * Answers health checks. `GET /healthz`: the process runs; restart it when this fails. `GET /readyz`: 200 when requests
 * should be sent here, otherwise 503. Neither needs a password or is logged, and neither reveals anything else.
 */
export function answerHealth({ isReady }: Health): Middleware<RequestState> {
  return async (ctx, next) => {
    const asked = ctx.method === 'GET' || ctx.method === 'HEAD';
    if (asked && ctx.path === '/healthz') answerJson(ctx, 200, { status: 'ok' });
    else if (asked && ctx.path === '/readyz') {
      const ready = await isReady();
      answerJson(ctx, ready ? 200 : 503, { status: ready ? 'ready' : 'not ready' });
    } else await next();
  };
}
