import type { IncomingHttpHeaders } from 'node:http';
import type { Middleware } from 'koa';
import { RegistryError } from '../errors.ts';
import type { RequestState } from '../request-context.ts';
import { ANONYMOUS } from './access.ts';
import { type Route, route } from './route.ts';
import { record, schema } from './schema.ts';

/** Path of the management API, after the path prefix. */
export const MANAGEMENT_PATH = '/api/v1';

/** Converts the path of a route to the router's form. */
export function routerPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}

/** Returns the route of the OpenAPI document, which `describe` makes at the first request. */
export function describeRoute(describe: () => Readonly<Record<string, unknown>>): Route {
  let document: ReturnType<typeof describe> | undefined;
  return route({
    method: 'GET',
    path: '/openapi.json',
    id: 'describe',
    summary: 'This description',
    access: ANONYMOUS,
    area: 'any',
    answer: record(schema({ noun: 'a value', plural: 'values' }, {}, (value) => value)),
    handle: () => {
      document ??= describe();
      return document;
    },
  });
}

/** Refuses content types that a page of another site can send without a preflight: forms and plain text. */
export const refuseForms: Middleware<RequestState> = async (ctx, next) => {
  const changes = ['POST', 'PUT', 'PATCH'].includes(ctx.method);
  const type = ctx.get('Content-Type').split(';')[0]?.trim().toLowerCase();
  // Browsers send a preflight before a PUT or a PATCH, whatever its content.
  const isEmpty = ctx.method !== 'POST' && type === '' && !hasBody(ctx.req.headers);
  if (changes && !isEmpty && type !== 'application/json') {
    throw new RegistryError('MEDIA_TYPE_UNSUPPORTED', 'the Content-Type must be application/json');
  }
  await next();
};

/** Reports whether a request has a body (RFC 9112, section 6.3). */
function hasBody(headers: IncomingHttpHeaders): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0;
}
