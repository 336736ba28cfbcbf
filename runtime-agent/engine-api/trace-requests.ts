import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Middleware } from 'koa';
import { parseTraceparent, type SpanContext, tracer } from '../../lib/tracing/trace.ts';

/** Requests that clients send before others, or again and again. */
const UNTRACED = /^(?:\/v[\d.]+)?\/(?:_ping|events|metrics|version|info)$/;
const CONTAINER = /^(?:\/v[\d.]+)?\/containers\/([^/]+)/;
/** Milliseconds for which requests about a new container belong to the trace that created it. */
const NEW = 60_000;
/** Maximum containers that are remembered. */
const MOST_CONTAINERS = 1000;

/**
 * Measures each request of the Engine API as a span. A request with a traceparent is within that. Without one, all
 * requests of one docker command are one trace: those of its connection, and those about the container that it has
 * just created.
 */
export function traceRequests(): Middleware {
  const connections = new WeakMap<Socket, SpanContext>();
  const containers = new Map<string, { readonly span: SpanContext; readonly since: number }>();

  const ofContainer = (name: string): SpanContext | undefined => {
    const found = containers.get(name);
    return found !== undefined && performance.now() - found.since < NEW ? found.span : undefined;
  };
  const callerOf = (req: IncomingMessage, path: string): SpanContext | undefined => {
    const { traceparent } = req.headers;
    const given = parseTraceparent(typeof traceparent === 'string' ? traceparent : undefined);
    if (given !== undefined) return given;
    const container = CONTAINER.exec(path)?.[1];
    return (container && ofContainer(container)) || connections.get(req.socket);
  };
  const remember = (name: unknown, span: SpanContext) => {
    if (typeof name !== 'string') return;
    containers.delete(name);
    containers.set(name, { span, since: performance.now() });
    const [oldest] = containers.keys();
    if (containers.size > MOST_CONTAINERS && oldest !== undefined) containers.delete(oldest);
  };

  return async (ctx, next) => {
    const traces = tracer();
    const { method, path, req, res } = ctx;
    if (traces === undefined || UNTRACED.test(path)) return next();
    const caller = callerOf(req, path);
    const context = traces.begin(caller);
    // Other clients keep their connections for ever.
    const isCommand = req.headers['user-agent']?.startsWith('Docker-Client/') === true;
    if (isCommand && !connections.has(req.socket)) connections.set(req.socket, caller ?? context);
    const start = performance.timeOrigin + performance.now();
    res.once('close', () => {
      const { statusCode } = res;
      const route = routeOf(ctx._matchedRoute);
      const span = {
        name: `${method} ${route}`,
        kind: 'server',
        start,
        end: performance.timeOrigin + performance.now(),
        attributes: {
          'http.request.method': method,
          'http.route': route,
          'url.path': path,
          'http.response.status_code': statusCode,
        },
        ...(statusCode >= 500 && { error: String(statusCode) }),
      } as const;
      traces.recordAs(context, span, caller?.spanId);
    });
    await traces.within(context, next);
    if (ctx.status !== 201 || CONTAINER.exec(path)?.[1] !== 'create') return;
    const trace = caller ?? context;
    remember((ctx.body as { readonly Id?: unknown } | undefined)?.Id, trace);
    remember(ctx.query.name, trace);
  };
}

/** A route as a text: `/images/(.+)/push` for the expression that matches it. */
function routeOf(route: unknown): string {
  if (route instanceof RegExp) return route.source.replaceAll('\\', '').replace('^', '').replace('$', '');
  return typeof route === 'string' ? route : 'none';
}
