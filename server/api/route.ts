import { SettingInvalidError } from '../../auth/errors.ts';
import { answerEmpty, answerJson } from '../http/answer.ts';
import { queryOf } from '../registry/parameters.ts';
import type { RequestContext } from '../request-context.ts';
import type { Access, ScopedRoute } from './access.ts';
import {
  type Fields,
  type JsonSchema,
  type ObjectOf,
  type ObjectSchema,
  readFields,
  type Schema,
} from './schema.ts';

/** Maximum bytes of a body, unless its route declares another limit. */
const LARGEST_BODY = 64 * 1024;

/** Fields that may contain secrets: an address may too. */
const SECRETS = /password|secret|url/i;

type NoFields = Readonly<Record<never, never>>;

/** Names of the parameters in a path such as `/teams/{team}/members/{name}`. */
type ParameterNames<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParameterNames<Rest>
  : never;

/** A request whose parameters and body have been read. */
interface RouteRequest<Path extends string, Query extends Fields, Body extends Fields> {
  readonly ctx: RequestContext;
  /** Decoded parts of the path. */
  readonly params: Readonly<Record<ParameterNames<Path>, string>>;
  readonly query: ObjectOf<Query>;
  readonly body: ObjectOf<Body>;
}

/** The declaration that the OpenAPI document and the router share. */
interface RouteTerms extends ScopedRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Its unique name in the document (operationId). */
  readonly id: string;
  /** Its purpose, in a few words without a full stop. */
  readonly summary: string;
  /** Further sentences. The document adds the required rights and scopes. */
  readonly description?: string;
  readonly access: Access;
  /** `catalog`: the transactions of its changes record them, and requests that change nothing are not recorded. */
  readonly recordedBy?: 'catalog';
  /** Status of success: by default 200, or 204 without an answer. */
  readonly status?: 201 | 202;
  /** Schema of the JSON lines that `handle` writes to `ctx` itself. */
  readonly lines?: Schema<unknown>;
  /** Schema of the data of server-sent events that `handle` writes to `ctx` itself. */
  readonly events?: Schema<unknown>;
  /** Refusals by status; the document adds those that every route has. */
  readonly errors?: Readonly<Record<number, string>>;
}

interface Declaration<Path extends string, Query extends Fields, Body extends Fields, Answer>
  extends RouteTerms {
  readonly path: Path;
  readonly query?: Query;
  readonly body?: ObjectSchema<Body>;
  /** Maximum size of the body, bytes; 64 KiB unless given. */
  readonly bodyLimit?: number;
  readonly answer?: Schema<Answer>;
  handle(request: RouteRequest<Path, Query, Body>): Promise<NoInfer<Answer>> | NoInfer<Answer>;
}

/** Descriptions of the parameters in the path, if it has any. */
type Described<Path extends string> = [ParameterNames<Path>] extends [never]
  ? { readonly params?: undefined }
  : { readonly params: Readonly<Record<ParameterNames<Path>, string>> };

/** The parts of a request of the API, passed directly. */
export interface GivenRequest {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  /** In its JSON form. */
  readonly body?: object;
}

/** A route of the management API: its documentation, and its handler. */
export interface Route extends RouteTerms {
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Fields;
  readonly body: Schema<unknown> | undefined;
  readonly answer: Schema<unknown> | undefined;
  /** Checks access, reads the request, handles it and answers. */
  run(ctx: RequestContext): Promise<void>;
  /** Calls the route from a page of this server, which passes the parts of a request; returns the answer. */
  call(ctx: RequestContext, given: GivenRequest): Promise<unknown>;
}

/**
 * Declares a route of the management API. The router, the reader of parameters and body, and the OpenAPI document all come
 * from this declaration:
 *
 *     const HOST = object({ name: text({ description: 'Lower-case letters' }), paused: boolean() }, { title: 'Host' });
 *     const HOST_CHANGE = object({ paused: boolean() }, { title: 'HostChange' });
 *
 *     export function hostRoutes(hosts: HostStore): readonly Route[] {
 *       return [
 *         route({
 *           method: 'PATCH',
 *           path: '/hosts/{name}',
 *           id: 'changeHost',
 *           summary: 'Pause or resume a host',
 *           description: 'A paused host keeps its containers and starts no others.',
 *           access: ADMINS,
 *           area: 'settings',
 *           params: { name: 'Name of the host' },
 *           body: HOST_CHANGE,
 *           answer: HOST,
 *           errors: { 404: 'There is no host of this name' },
 *           async handle({ params, body }) {
 *             const host = await hosts.change(params.name, body);
 *             if (host === undefined) throw new EntryUnknownError(`there is no host named "${params.name}"`);
 *             return host;
 *           },
 *         }),
 *       ];
 *     }
 *
 * A request is handled in this order: `access`, then `query`, then `body`, then `handle`, whose result is answered as JSON.
 * Bad parameters and bodies are refused with 400 and the name of the field. The audit records each change with its fields;
 * it leaves out fields that are `writeOnly` and those whose name says that they hold a secret or a URL, at any depth.
 */
export function route<
  const Path extends string,
  Query extends Fields = NoFields,
  Body extends Fields = NoFields,
  Answer = void,
>(declaration: Declaration<Path, Query, Body, Answer> & Described<Path>): Route {
  const { answer, body, bodyLimit, params = {}, path, query = {} as Query } = declaration;
  const terms: RouteTerms = declaration;
  const handle = async (ctx: RequestContext, readObject: () => Promise<object>) => {
    await terms.access.check(ctx);
    return declaration.handle({
      ctx,
      params: ctx.params as RouteRequest<Path, Query, Body>['params'],
      query: readQuery(ctx, query),
      body: body === undefined ? ({} as ObjectOf<Body>) : readBody(ctx, body, await readObject()),
    });
  };
  return {
    ...terms,
    path,
    params,
    query,
    body,
    answer,
    call: (ctx, { params: named = {}, query: asked = {}, body: fields = {} }) => {
      const inner: RequestContext = Object.create(ctx, { params: { value: named }, query: { value: asked } });
      return handle(inner, async () => fields);
    },
    run: async (ctx) => {
      const found = await handle(ctx, () => objectOf(ctx, bodyLimit));
      if (answer !== undefined) answerJson(ctx, terms.status ?? 200, found);
      else if ((terms.lines ?? terms.events) === undefined) answerEmpty(ctx, 204);
    },
  };
}

/** Reads the declared parameters, each by its first value; others are ignored. */
function readQuery<Query extends Fields>(ctx: RequestContext, fields: Query): ObjectOf<Query> {
  const given = Object.entries(fields).flatMap(([name, { json }]) => {
    const value = queryOf(ctx, name);
    return value === undefined ? [] : [[name, parseParameter(value, json)] as const];
  });
  return readFields(fields, Object.fromEntries(given));
}

/** Parses a query parameter for its schema; returns the text itself if it cannot be parsed. */
export function parseParameter(value: string, { type }: JsonSchema): unknown {
  if (type === 'integer' && /^(?:0|-?[1-9]\d*)$/.test(value)) return Number(value);
  if (type === 'boolean' && (value === 'true' || value === 'false')) return value === 'true';
  return value;
}

function readBody<Body extends Fields>(
  ctx: RequestContext,
  { fields }: ObjectSchema<Body>,
  given: object,
): ObjectOf<Body> {
  const body = readFields(fields, given);
  ctx.state.asked = withoutSecrets(fields, body);
  return body;
}

/** Returns the fields of a body that the audit may show, as JSON values. */
export function withoutSecrets(fields: Fields, body: object): Readonly<Record<string, unknown>> {
  const shown = Object.entries(body).filter(([name]) => fields[name]?.json.writeOnly !== true);
  return JSON.parse(
    JSON.stringify(Object.fromEntries(shown), (name, value) => (SECRETS.test(name) ? undefined : value)),
  );
}

async function objectOf(ctx: RequestContext, limit = LARGEST_BODY): Promise<object> {
  const bytes = await ctx.state.bodies.read(ctx.req, ctx.res, limit);
  if (bytes === undefined) throw new SettingInvalidError(`the body has more than ${limit} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new SettingInvalidError('the body is not JSON', { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SettingInvalidError('the body must be a JSON object');
  }
  return value;
}
