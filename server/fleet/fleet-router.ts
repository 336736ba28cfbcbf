import { bearerToken } from '../../auth/authenticators/header-authenticator.ts';
import { SettingInvalidError, TokenInvalidError } from '../../auth/errors.ts';
import { TokenBuckets } from '../../auth/limits/token-buckets.ts';
import { type ReportedHost, SILENCE } from '../../fleet/host.ts';
import type { HostStore } from '../../fleet/host-store.ts';
import { MESSAGE_LIMIT } from '../../fleet/messages.ts';
import { objectOf, readJoinRequest, textOf } from '../../fleet/read-host.ts';
import { readReports } from '../../fleet/read-host-message.ts';
import { KoaRouter } from '../../lib/http/koa-router.ts';
import { RegistryError } from '../errors.ts';
import { answerEmpty, answerJson } from '../http/answer.ts';
import { matchesEntityTag } from '../http/conditional.ts';
import type { RequestContext, RequestRouter, RequestState } from '../request-context.ts';
import type { FleetSignals } from './fleet-signals.ts';
import type { HostHub } from './host-hub.ts';
import { identityOf } from './host-login.ts';
import type { HostTokens } from './host-tokens.ts';
import { JoinHosts } from './join-hosts.ts';
import { acceptWebSocket } from './web-socket.ts';

/** Path for hosts, after the path prefix. */
export const FLEET_PATH = '/api/v1/fleet';

/** Maximum requests of a host in a burst, and milliseconds until one more. */
const REQUESTS = { burst: 30, interval: 2_000 };

/** Maximum bytes of a request without reports. */
const SMALL = 64 * 1024;

const NOT_STORED = { 'Cache-Control': 'no-store' };

export interface FleetDependencies {
  readonly hosts: HostStore;
  readonly hub: HostHub;
  readonly signals: FleetSignals;
  readonly tokens: HostTokens;
}

/** The routes of hosts, which have no account. */
export function createFleetRouter(dependencies: FleetDependencies, pathPrefix: string): RequestRouter {
  const { hosts, hub, signals, tokens } = dependencies;
  const router: RequestRouter = new KoaRouter<RequestState>({
    sensitive: true,
    prefix: `${pathPrefix}${FLEET_PATH}`,
  });
  const joins = new JoinHosts(hosts);
  const requests = new TokenBuckets(REQUESTS);

  router.post('/join', async (ctx) => {
    const request = readJoinRequest(await bodyOf(ctx, SMALL));
    const { id, name, labels } = await joins.join(request, ctx.state.origin.remote);
    answerJson(ctx, 201, { id, name, labels }, NOT_STORED);
  });

  router.post('/challenge', async (ctx) => {
    const { host } = objectOf(await bodyOf(ctx, SMALL), 'the request');
    answerJson(ctx, 200, { challenge: await tokens.challenge(textOf(host, 'host', 64)) }, NOT_STORED);
  });

  router.post('/token', async (ctx) => {
    const { challenge, signature } = objectOf(await bodyOf(ctx, SMALL), 'the request');
    const answer = await tokens.exchange(
      textOf(challenge, 'challenge', 4096),
      textOf(signature, 'signature'),
    );
    answerJson(ctx, 200, answer, NOT_STORED);
  });

  router.get('/connect', async (ctx) => {
    const host = await hostOf(ctx);
    const socket = await acceptWebSocket(ctx, MESSAGE_LIMIT);
    hub.add(host, socket, ctx.state.origin.remote);
  });

  router.get('/target', async (ctx) => {
    const host = await hostOf(ctx);
    const isSilent = host.seenAt === undefined || Date.now() - host.seenAt.getTime() > SILENCE / 2;
    if (isSilent && hub.find(host.id) === undefined) await hosts.polled(host.id, new Date());
    const target = await hosts.target(host.id);
    const tag = `"${target.generation}"`;
    ctx.set('ETag', tag);
    if (matchesEntityTag(ctx.req.headers['if-none-match'], tag)) answerEmpty(ctx, 304);
    else answerJson(ctx, 200, target, NOT_STORED);
  });

  router.post('/reports', async (ctx) => {
    const host = await hostOf(ctx);
    const { reports, gone } = readReports(await bodyOf(ctx, MESSAGE_LIMIT));
    await hosts.report(host.id, reports, gone, new Date());
    signals.appsChanged([...reports.map(({ app }) => app), ...gone]);
    answerEmpty(ctx, 204);
  });

  return router;

  /** Authenticates the host of a request. Throws RegistryError. */
  async function hostOf(ctx: RequestContext): Promise<ReportedHost> {
    const token = bearerToken(ctx.req.headers.authorization ?? '');
    if (token === undefined) throw unauthorized('send the token of the host as Authorization: Bearer');
    try {
      const host = await tokens.verify(token);
      ctx.state.identity = identityOf(host);
      const wait = requests.wait(host.id);
      if (wait > 0) throw tooMany(wait);
      requests.take(host.id);
      return host;
    } catch (error) {
      throw error instanceof TokenInvalidError ? unauthorized(error.message, error) : error;
    }
  }
}

function unauthorized(message: string, cause?: unknown): RegistryError {
  return new RegistryError('UNAUTHORIZED', message, { cause, headers: { 'WWW-Authenticate': 'Bearer' } });
}

function tooMany(wait: number): RegistryError {
  return new RegistryError('TOO_MANY_REQUESTS', undefined, {
    headers: { 'Retry-After': String(Math.ceil(wait / 1000)) },
  });
}

async function bodyOf(ctx: RequestContext, limit: number): Promise<unknown> {
  if (ctx.get('Content-Type').split(';')[0]?.trim().toLowerCase() !== 'application/json') {
    throw new RegistryError('MEDIA_TYPE_UNSUPPORTED', 'the Content-Type must be application/json');
  }
  const bytes = await ctx.state.bodies.read(ctx.req, ctx.res, limit);
  if (bytes === undefined) throw new SettingInvalidError(`the body has more than ${limit} bytes`);
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new SettingInvalidError('the body is not JSON', { cause });
  }
}
