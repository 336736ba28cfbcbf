import { isDeepStrictEqual } from 'node:util';
import type { Route } from './route.ts';
import { isOptional, type JsonSchema, list, object, optional, type Schema, schema, text } from './schema.ts';

const ERRORS = object(
  {
    errors: list(
      object(
        {
          code: text(),
          message: text(),
          detail: optional(schema({ noun: 'a value', plural: 'values' }, {}, (value) => value)),
        },
        { additionalProperties: true },
      ),
      { minItems: 1 },
    ),
  },
  { title: 'Errors' },
);

const SECURITY_SCHEMES = {
  basic: {
    type: 'http',
    scheme: 'basic',
    description:
      'The name and password of a person, a personal token in place of the password, or the name and secret of a robot. A token and a robot need a scope: registry:manage, or the one that the operation names; registry:read is enough for GET.',
  },
  session: {
    type: 'apiKey',
    in: 'cookie',
    name: '__Host-berth-session',
    description:
      'The session of a browser, after /auth/login. Changes also need the header X-Berth-CSRF, or an Origin that is this registry.',
  },
} as const;

const SECURITY = [{ basic: [] }, { session: [] }] as const;

/**
 * Returns the OpenAPI 3.1 document of some routes, whose paths continue `base`. Throws an Error when two schemas share
 * a title.
 */
export function describeRoutes(routes: readonly Route[], base: string) {
  const schemas: Record<string, unknown> = {};
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const operation = referring(operationOf(route), schemas);
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Berth management API',
      version: '1',
      description:
        'People, teams, roles and tokens of a Berth registry. Changes apply at once to new logins; revoked access may last as long as a token of the token server is valid. POST, PUT and PATCH need the Content-Type application/json.',
    },
    servers: [{ url: base }],
    security: SECURITY,
    paths,
    components: { securitySchemes: SECURITY_SCHEMES, schemas },
  };
}

function operationOf(route: Route): JsonSchema {
  const { access, body, description, id, summary } = route;
  const parameters = [
    ...Object.entries(route.params).map(([name, description]) => ({
      name,
      in: 'path',
      required: true,
      description,
      schema: { type: 'string' },
    })),
    ...Object.entries(route.query).map(([name, field]) => {
      const { description, ...json } = field.json;
      return { name, in: 'query', required: !isOptional(field), description, schema: json };
    }),
  ];
  const sentences = [access.who, description, tokenSentence(route)].filter((sentence) => sentence);
  return {
    operationId: id,
    summary,
    ...(sentences.length > 0 && { description: sentences.join(' ') }),
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && { requestBody: { required: true, content: contentOf(body) } }),
    responses: responsesOf(route),
    ...(access.anonymous && { security: access.anonymous === 'limited' ? [{}, ...SECURITY] : [] }),
  };
}

function tokenSentence({ access, area }: Route): string {
  if (access.inPerson) return 'It accepts a password or a session, but no token.';
  return area === 'any' ? '' : `A token needs the scope registry:${area}.`;
}

function responsesOf(route: Route): JsonSchema {
  const { access, body, errors, method, params, query, status } = route;
  const reads = body !== undefined || Object.keys({ ...params, ...query }).length > 0;
  const refusals: Readonly<Record<string, string>> = {
    ...(reads && { 400: 'A parameter or a field is not valid' }),
    ...(!access.anonymous && {
      401: 'The request has no valid credentials',
      403: 'The caller may not do this',
    }),
    ...(['POST', 'PUT', 'PATCH'].includes(method) && { 415: 'The Content-Type is not application/json' }),
    ...errors,
    default: 'A refusal',
  };
  const content = answerContentOf(route);
  const success = status ?? (content === undefined ? 204 : 200);
  return {
    [success]: { description: 'Done', ...(content !== undefined && { content }) },
    ...Object.fromEntries(
      Object.entries(refusals).map(([code, description]) => [
        code,
        { description, content: contentOf(ERRORS) },
      ]),
    ),
  };
}

function answerContentOf({ answer, events, lines }: Route): JsonSchema | undefined {
  if (lines !== undefined) return contentOf(lines, 'application/jsonl');
  if (events !== undefined) return contentOf(events, 'text/event-stream');
  return answer && contentOf(answer);
}

function contentOf({ json }: Schema<unknown>, media = 'application/json'): JsonSchema {
  return { [media]: { schema: json } };
}

/** Returns a copy in which schemas that have a title are references to components of the document. */
function referring(value: unknown, components: Record<string, unknown>): unknown {
  if (Array.isArray(value)) return value.map((entry) => referring(entry, components));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, entry]) => [name, referring(entry, components)] as const);
  const { title, ...copy } = Object.fromEntries(entries);
  if (typeof title !== 'string') return Object.fromEntries(entries);
  if (components[title] !== undefined && !isDeepStrictEqual(components[title], copy)) {
    throw new Error(`two schemas of the management API have the title ${title}`);
  }
  components[title] = copy;
  return { $ref: `#/components/schemas/${title}` };
}
