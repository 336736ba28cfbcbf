import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ADMINS, ANONYMOUS, EVERYBODY } from '../../../../server/api/access.ts';
import { describeRoutes } from '../../../../server/api/openapi.ts';
import { parseParameter, route, withoutSecrets } from '../../../../server/api/route.ts';
import {
  boolean,
  integer,
  list,
  nullable,
  object,
  optional,
  record,
  text,
} from '../../../../server/api/schema.ts';

test('the audit shows no secrets, at any depth', () => {
  const fields = {
    name: text(),
    compose: text({ writeOnly: true }),
    clientSecret: text(),
    apps: list(record(text())),
  };
  const body = {
    name: 'a',
    compose: 'POSTGRES_PASSWORD=x',
    clientSecret: 'x',
    apps: [{ name: 'b', DB_PASSWORD: 'x', callbackUrl: 'x' }],
  };
  assert.deepEqual(withoutSecrets(fields, body), { name: 'a', apps: [{ name: 'b' }] });
});

test('query parameters are numbers and booleans where the schema says so', () => {
  const parse = (value: string) =>
    [integer(), boolean(), text()].map(({ json }) => parseParameter(value, json));
  assert.deepEqual(parse('5'), [5, '5', '5']);
  assert.deepEqual(parse('-5'), [-5, '-5', '-5']);
  assert.deepEqual(parse('05'), ['05', '05', '05']);
  assert.deepEqual(parse('true'), ['true', true, 'true']);
  assert.deepEqual(parse(''), ['', '', '']);
});

const HOST = object({ name: text() }, { title: 'Host' });
const terms = { summary: 'Hosts', area: 'settings', access: ADMINS } as const;
const listHosts = route({
  ...terms,
  method: 'GET',
  path: '/hosts',
  id: 'listHosts',
  query: { label: text({ description: 'Only these' }), limit: optional(integer({ minimum: 1 })) },
  answer: object({ hosts: list(HOST), first: nullable(HOST) }),
  handle: () => ({ hosts: [], first: null }),
});

test('a document has parameters, components, refusals and who may call a route', () => {
  const put = route({
    ...terms,
    method: 'PUT',
    path: '/hosts/{name}/labels/{label}',
    id: 'labelHost',
    description: 'It needs no body.',
    area: 'any',
    access: EVERYBODY,
    params: { name: 'Of the host', label: 'The label' },
    errors: { 404: 'There is no such host' },
    handle: () => {},
  });
  const open = route({
    ...terms,
    method: 'GET',
    path: '/open',
    id: 'open',
    access: ANONYMOUS,
    handle: () => {},
  });
  const { components, paths, servers } = JSON.parse(
    JSON.stringify(describeRoutes([listHosts, put, open], '/prefix/api/v1')),
  );
  assert.deepEqual(servers, [{ url: '/prefix/api/v1' }]);
  assert.deepEqual(Object.keys(components.schemas).sort(), ['Errors', 'Host']);
  assert.deepEqual(paths['/hosts'].get, {
    operationId: 'listHosts',
    summary: 'Hosts',
    description: 'For administrators. A token needs the scope registry:settings.',
    parameters: [
      { name: 'label', in: 'query', required: true, description: 'Only these', schema: { type: 'string' } },
      { name: 'limit', in: 'query', required: false, schema: { type: 'integer', minimum: 1 } },
    ],
    responses: {
      200: {
        description: 'Done',
        content: {
          'application/json': {
            schema: {
              type: 'object',
              properties: {
                hosts: { type: 'array', items: { $ref: '#/components/schemas/Host' } },
                first: { anyOf: [{ $ref: '#/components/schemas/Host' }, { type: 'null' }] },
              },
              additionalProperties: false,
              required: ['hosts', 'first'],
            },
          },
        },
      },
      ...refusals([400, 401, 403]),
    },
  });
  const { responses, ...operation } = paths['/hosts/{name}/labels/{label}'].put;
  assert.deepEqual(operation, {
    operationId: 'labelHost',
    summary: 'Hosts',
    description: 'It needs no body.',
    parameters: [
      { name: 'name', in: 'path', required: true, description: 'Of the host', schema: { type: 'string' } },
      { name: 'label', in: 'path', required: true, description: 'The label', schema: { type: 'string' } },
    ],
  });
  assert.deepEqual(Object.keys(responses), ['204', '400', '401', '403', '404', '415', 'default']);
  assert.equal(responses[404].description, 'There is no such host');
  assert.deepEqual(paths['/open'].get.security, []);
});

function refusals(statuses: readonly number[]) {
  const content = { 'application/json': { schema: { $ref: '#/components/schemas/Errors' } } };
  const described = {
    400: 'A parameter or a field is not valid',
    401: 'The request has no valid credentials',
    403: 'The caller may not do this',
    default: 'A refusal',
  };
  return Object.fromEntries(
    Object.entries(described)
      .filter(([status]) => status === 'default' || statuses.includes(Number(status)))
      .map(([status, description]) => [status, { description, content }]),
  );
}

test('two schemas of one title are a mistake', () => {
  const other = route({
    ...terms,
    method: 'GET',
    path: '/other',
    id: 'other',
    answer: object({ port: integer() }, { title: 'Host' }),
    handle: () => ({ port: 1 }),
  });
  assert.throws(
    () => describeRoutes([listHosts, other], ''),
    /two schemas of the management API have the title Host/,
  );
});
