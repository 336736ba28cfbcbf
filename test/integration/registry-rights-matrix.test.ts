import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { parseLimits } from '../../auth/administration/limits.ts';
import { makePersonalToken, makeRobot } from '../../auth/administration/make-credential.ts';
import { makeSecret } from '../../auth/credentials/secret.ts';
import {
  createManagementRouter,
  type ManagementDependencies,
} from '../../server/management/management-router.ts';
import type { RegistryDependencies } from '../../server/registry/registry-dependencies.ts';
import { createRegistryRouter } from '../../server/registry/registry-router.ts';
import { createTokenRouter, type TokenDependencies } from '../../server/token/token-router.ts';
import { basicAuthorization } from '../support/http-client.ts';
import { OCI_MANIFEST } from '../support/registry-client.ts';
import { ADMIN_PASSWORD, startRegistryWithAccounts } from '../support/registry-with-accounts.ts';

// Who may do what, as one table: what each identity may do with the repository, and what each route needs.
const MAY = {
  anonymous: [],
  outsider: ['login'],
  reader: ['login', 'pull'],
  robot: ['login', 'pull', 'push'],
  writer: ['login', 'pull', 'push'],
  maintainer: ['login', 'pull', 'push', 'delete'],
  'repository admin': ['login', 'pull', 'push', 'delete', 'manage'],
  admin: ['login', 'pull', 'push', 'delete', 'manage', 'admin'],
} as const satisfies Readonly<Record<string, readonly string[]>>;
type Who = keyof typeof MAY;

const registry = await startRegistryWithAccounts({ after });
const { digest, manifest } = await registry.admin.pushImage('team/app', '1');
const [layer] = manifest.layers;
const AUTHORIZATION: Readonly<Record<Who, string | undefined>> = {
  anonymous: undefined,
  outsider: await registry.addUser('outsider', { 'other/*': 'maintainer' }),
  reader: await registry.addUser('reader', { 'team/*': 'reader' }),
  robot: await registry.addRobot('ci', 'team/*:pull,push'),
  writer: await registry.addUser('writer', { 'team/*': 'writer' }),
  maintainer: await registry.addUser('maintainer', { 'team/*': 'maintainer' }),
  'repository admin': await registry.addUser('owner', { 'team/*': 'admin' }),
  admin: basicAuthorization('admin', ADMIN_PASSWORD),
};

const UPLOAD = '/v2/team/app/blobs/uploads/00000000-0000-4000-8000-000000000000';
const GONE = `sha256:${'0'.repeat(64)}`;
const json = (value: object) => ({
  body: JSON.stringify(value),
  headers: { 'Content-Type': 'application/json' },
});
const image = { body: JSON.stringify(manifest), headers: { 'Content-Type': OCI_MANIFEST } };
const NEW_GRANT = { holder: 'user:nobody', pattern: 'team/app', role: 'reader' };
const scope = (action: string) => `repository:team/app:${action}`;

/** Method, path, the pattern of the route, what it needs, and the status for whoever has that. */
type Row = readonly [
  method: string,
  path: string,
  pattern: string,
  needs: string | undefined,
  allowed: number,
  options?: { readonly body: string; readonly headers: Readonly<Record<string, string>> },
];

const DISTRIBUTION: readonly Row[] = [
  ['GET', '/', '/', undefined, 200],
  ['GET', '/v2/', '/v2', 'credentials', 200],
  ['HEAD', '/v2/', '/v2', 'credentials', 200],
  ['GET', '/v2', '/v2', 'credentials', 200],
  ['GET', '/v2/_catalog', '/v2/_catalog', 'login', 200],
  ['GET', '/v2/team/app/tags/list', '/v2/*name/tags/list', 'pull', 200],
  ['GET', '/v2/team/app/manifests/1', '/v2/*name/manifests/:reference', 'pull', 200],
  ['HEAD', '/v2/team/app/manifests/1', '/v2/*name/manifests/:reference', 'pull', 200],
  ['GET', `/v2/team/app/manifests/${digest}`, '/v2/*name/manifests/:reference', 'pull', 200],
  ['PUT', '/v2/team/app/manifests/2', '/v2/*name/manifests/:reference', 'push', 201, image],
  ['DELETE', '/v2/team/app/manifests/gone', '/v2/*name/manifests/:reference', 'delete', 404],
  ['GET', `/v2/team/app/blobs/${layer?.digest}`, '/v2/*name/blobs/:digest', 'pull', 200],
  ['HEAD', `/v2/team/app/blobs/${layer?.digest}`, '/v2/*name/blobs/:digest', 'pull', 200],
  ['DELETE', `/v2/team/app/blobs/${GONE}`, '/v2/*name/blobs/:digest', 'delete', 404],
  ['POST', '/v2/team/app/blobs/uploads/', '/v2/*name/blobs/uploads', 'push', 202],
  ['POST', '/v2/team/app/blobs/uploads', '/v2/*name/blobs/uploads', 'push', 202],
  ['GET', UPLOAD, '/v2/*name/blobs/uploads/:id', 'push', 404],
  ['PATCH', UPLOAD, '/v2/*name/blobs/uploads/:id', 'push', 404],
  ['PUT', `${UPLOAD}?digest=${GONE}`, '/v2/*name/blobs/uploads/:id', 'push', 404],
  ['DELETE', UPLOAD, '/v2/*name/blobs/uploads/:id', 'push', 404],
  ['GET', `/v2/team/app/referrers/${digest}`, '/v2/*name/referrers/:digest', 'pull', 200],
  ['GET', '/v1/_ping', '/v1/_ping', undefined, 200],
  ['GET', '/v1/search?q=app', '/v1/search', 'login', 200],
];

const MANAGEMENT: readonly Row[] = [
  ['GET', '/api/v1/openapi.json', '/api/v1/openapi.json', undefined, 200],
  ['GET', '/api/v1/me', '/api/v1/me', 'credentials', 200],
  ['GET', '/api/v1/users', '/api/v1/users', 'admin', 200],
  ['POST', '/api/v1/users', '/api/v1/users', 'admin in person', 400, json({})],
  ['GET', '/api/v1/users/nobody', '/api/v1/users/:name', 'admin', 404],
  ['PATCH', '/api/v1/users/nobody', '/api/v1/users/:name', 'admin in person', 404, json({ admin: false })],
  ['DELETE', '/api/v1/users/nobody', '/api/v1/users/:name', 'admin', 404],
  ['GET', '/api/v1/users/nobody/identities', '/api/v1/users/:name/identities', 'admin', 200],
  [
    'POST',
    '/api/v1/users/nobody/identities',
    '/api/v1/users/:name/identities',
    'admin in person',
    400,
    json({}),
  ],
  [
    'DELETE',
    '/api/v1/users/nobody/identities/none',
    '/api/v1/users/:name/identities/:provider',
    'admin',
    404,
  ],
  ['GET', '/api/v1/teams', '/api/v1/teams', 'admin', 200],
  ['POST', '/api/v1/teams', '/api/v1/teams', 'admin', 400, json({})],
  ['GET', '/api/v1/teams/nobody', '/api/v1/teams/:team', 'admin', 404],
  ['DELETE', '/api/v1/teams/nobody', '/api/v1/teams/:team', 'admin', 404],
  ['PUT', '/api/v1/teams/x/members/y', '/api/v1/teams/:team/members/:name', 'admin', 404, json({})],
  ['DELETE', '/api/v1/teams/x/members/y', '/api/v1/teams/:team/members/:name', 'admin', 404],
  ['GET', '/api/v1/grants', '/api/v1/grants', 'own', 200],
  ['PUT', '/api/v1/grants', '/api/v1/grants', 'manage', 404, json(NEW_GRANT)],
  ['DELETE', '/api/v1/grants?holder=public&pattern=team/x*', '/api/v1/grants', 'manage', 404],
  ['GET', '/api/v1/repositories/team%2Fapp/access', '/api/v1/repositories/:repository/access', 'delete', 200],
  ['GET', '/api/v1/tokens', '/api/v1/tokens', 'own', 200],
  ['GET', '/api/v1/tokens?user=nobody', '/api/v1/tokens', 'admin', 200],
  ['POST', '/api/v1/tokens', '/api/v1/tokens', 'person', 400, json({})],
  ['DELETE', '/api/v1/tokens/gone', '/api/v1/tokens/:id', 'admin', 404],
  ['GET', '/api/v1/logins?user=nobody', '/api/v1/logins', 'admin', 200],
  ['DELETE', '/api/v1/logins/gone?user=nobody', '/api/v1/logins/:id', 'admin', 404],
  ['GET', '/api/v1/robots', '/api/v1/robots', 'own', 200],
  ['POST', '/api/v1/robots', '/api/v1/robots', 'person', 400, json({})],
  ['POST', '/api/v1/robots/gone/secret', '/api/v1/robots/:name/secret', 'admin in person', 404, json({})],
  ['DELETE', '/api/v1/robots/gone', '/api/v1/robots/:name', 'admin', 404],
  ['GET', '/api/v1/rules', '/api/v1/rules', 'admin', 200],
  ['POST', '/api/v1/rules', '/api/v1/rules', 'admin in person', 400, json({})],
  ['DELETE', '/api/v1/rules/gone', '/api/v1/rules/:name', 'admin', 404],
  ['GET', '/api/v1/providers', '/api/v1/providers', 'admin', 200],
  ['POST', '/api/v1/providers', '/api/v1/providers', 'admin in person', 400, json({})],
  ['DELETE', '/api/v1/providers/gone', '/api/v1/providers/:name', 'admin', 404],
  ['GET', '/api/v1/audit', '/api/v1/audit', 'admin', 200],
  ['GET', '/api/v1/audit/stream?after=x', '/api/v1/audit/stream', 'admin', 400],
  ['GET', '/api/v1/webhooks', '/api/v1/webhooks', 'admin', 200],
  ['POST', '/api/v1/webhooks', '/api/v1/webhooks', 'admin', 400, json({})],
  ['DELETE', '/api/v1/webhooks/gone', '/api/v1/webhooks/:name', 'admin', 404],
  ['GET', '/api/v1/webhooks/gone/deliveries', '/api/v1/webhooks/:name/deliveries', 'admin', 404],
  ['POST', '/api/v1/webhooks/gone/test', '/api/v1/webhooks/:name/test', 'admin', 404, json({})],
  ['GET', '/api/v1/tag-rules', '/api/v1/tag-rules', 'admin', 200],
  ['PUT', '/api/v1/tag-rules', '/api/v1/tag-rules', 'admin', 400, json({})],
  ['DELETE', '/api/v1/tag-rules?pattern=gone&tags=v*', '/api/v1/tag-rules', 'admin', 404],
  ['GET', '/api/v1/quotas', '/api/v1/quotas', 'admin', 200],
  ['PUT', '/api/v1/quotas', '/api/v1/quotas', 'admin', 400, json({})],
  ['DELETE', '/api/v1/quotas?pattern=gone', '/api/v1/quotas', 'admin', 404],
  ['POST', '/api/v1/keys', '/api/v1/keys', 'admin', 400, json({ now: 'yes' })],
];

const TOKENS: readonly Row[] = [
  ['GET', '/token', '/token', undefined, 200],
  ['POST', '/token', '/token', undefined, 400],
  ['GET', '/.well-known/jwks.json', '/.well-known/jwks.json', undefined, 200],
];

function has(who: Who, needs: string | undefined): boolean {
  if (needs === undefined) return true;
  if (needs === 'credentials') return who !== 'anonymous';
  // A robot needs a scope to manage anything, as every long-lived token does.
  if (needs === 'person' || needs === 'own') return who !== 'anonymous' && who !== 'robot';
  if (needs === 'admin in person') return who === 'admin';
  return (MAY[who] as readonly string[]).includes(needs);
}

async function statuses(
  rows: readonly Row[],
  authorizationOf: (who: Who, row: Row) => Promise<string | undefined>,
  who: Who,
) {
  const lines: string[] = [];
  for (const row of rows) {
    const [method, path, , , , options] = row;
    const authorization = await authorizationOf(who, row);
    const headers = { ...options?.headers, ...(authorization !== undefined && { authorization }) };
    const answer = await registry.send(method, path, {
      ...(options !== undefined && { body: options.body }),
      headers,
    });
    assert.equal(answer.headers['x-content-type-options'], 'nosniff', `${method} ${path}`);
    lines.push(`${method} ${path} ${answer.status}`);
  }
  return lines;
}

function expected(rows: readonly Row[], who: Who, refused: number): readonly string[] {
  return rows.map(([method, path, , needs, allowed]) => {
    const status = has(who, needs) ? allowed : refused;
    return `${method} ${path} ${status}`;
  });
}

for (const who of Object.keys(MAY) as Who[]) {
  test(`${who}: every route by user and password`, async () => {
    const rows = [...DISTRIBUTION, ...MANAGEMENT, ...TOKENS];
    const given = async () => AUTHORIZATION[who];
    assert.deepEqual(await statuses(rows, given, who), expected(rows, who, who === 'anonymous' ? 401 : 403));
  });

  test(`${who}: every route by a token that was asked for it`, async () => {
    const given = async (_: Who, [, , , needs]: Row) => {
      const asked = needs === 'login' ? 'registry:catalog:*,search' : scope(needs ?? 'pull');
      return `Bearer ${await registry.token(AUTHORIZATION[who], asked)}`;
    };
    // Any token answers the challenge of the base, one for nothing too.
    const base = DISTRIBUTION.filter(([, , , needs]) => needs === 'credentials');
    const others = DISTRIBUTION.filter((row) => !base.includes(row));
    assert.deepEqual(await statuses(base, given, who), expected(base, 'admin', 401));
    assert.deepEqual(await statuses(others, given, who), expected(others, who, 401));
    const closed = MANAGEMENT.filter(([, , , needs]) => needs !== undefined);
    assert.deepEqual(
      await statuses(closed, given, who),
      closed.map(([method, path]) => `${method} ${path} 401`),
    );
  });
}

// What each kind of long-lived token of an administrator may do, whatever its owner may: of the routes of images and of the
// management API, by the part of it.
type Reach = {
  readonly images: readonly string[];
  readonly manages: (area: string, method: string) => boolean;
};
const ALL_IMAGES = ['login', 'pull', 'push', 'delete'];
const nothing = () => false;
const REACH: Readonly<Record<string, { readonly scopes?: readonly string[] } & Reach>> = {
  'without scopes': { images: ALL_IMAGES, manages: nothing },
  'for other repositories': { scopes: ['web/*:pull'], images: ['login'], manages: nothing },
  'to pull': { scopes: ['team/*:pull'], images: ['login', 'pull'], manages: nothing },
  'to push': { scopes: ['team/*:pull,push'], images: ['login', 'pull', 'push'], manages: nothing },
  'to manage': { scopes: ['registry:manage'], images: ['login'], manages: () => true },
  'to read': { scopes: ['registry:read'], images: ['login'], manages: (_, method) => method === 'GET' },
  'to pull and to read the audit': {
    scopes: ['team/*:pull', 'registry:audit'],
    images: ['login', 'pull'],
    manages: (area) => area === 'audit',
  },
  ...Object.fromEntries(
    ['accounts', 'audit', 'credentials', 'grants', 'keys', 'settings'].map((area) => [
      `for ${area}`,
      { scopes: [`registry:${area}`], images: ['login'], manages: (of: string) => of === area },
    ]),
  ),
};
const AREAS: Readonly<Record<string, string>> = {
  users: 'accounts',
  teams: 'accounts',
  providers: 'accounts',
  audit: 'audit',
  tokens: 'credentials',
  logins: 'credentials',
  robots: 'credentials',
  grants: 'grants',
  repositories: 'grants',
  rules: 'grants',
  keys: 'keys',
  quotas: 'settings',
  'tag-rules': 'settings',
  webhooks: 'settings',
};

function isReached({ images, manages }: Reach, [method, path, , needs]: Row): boolean {
  if (needs === undefined || needs === 'credentials') return true;
  const [, area] = /^\/api\/v1\/([\w-]+)/.exec(path) ?? [];
  if (area === undefined) return images.includes(needs);
  if (needs === 'person' || needs === 'admin in person') return false;
  return manages(AREAS[area] ?? assert.fail(`no part of the API has ${area}`), method);
}

for (const [kind, { scopes, ...reach }] of Object.entries(REACH)) {
  for (const holder of ['personal token', 'robot'] as const) {
    // A robot has scopes, and no tokens of its own.
    if (holder === 'robot' && scopes === undefined) continue;
    test(`${holder} of an administrator ${kind}: every route`, async () => {
      const { credentials } = registry.store;
      const terms = scopes === undefined ? {} : { limits: parseLimits(scopes) };
      const name = kind.replaceAll(' ', '-');
      const authorization =
        holder === 'robot'
          ? basicAuthorization(
              `admin+${name}`,
              (await makeRobot(credentials, { kind: 'user', name: 'admin' }, name, terms)).secret,
            )
          : basicAuthorization('admin', (await makePersonalToken(credentials, 'admin', name, terms)).secret);
      const rows = [...DISTRIBUTION, ...MANAGEMENT, ...TOKENS];
      assert.deepEqual(
        await statuses(rows, async () => authorization, 'admin'),
        rows.map((row) => `${row[0]} ${row[1]} ${isReached(reach, row) ? row[4] : 403}`),
      );
    });
  }
}

test('an identity token, a session and a terminal that waits are no passwords, on any route', async () => {
  const secrets = ['ref', 'ses', 'dev'] as const;
  for (const authorization of secrets.map((kind) => basicAuthorization('admin', makeSecret(kind)))) {
    const rows = [...DISTRIBUTION, ...MANAGEMENT].filter(([, , , needs]) => needs !== undefined);
    assert.deepEqual(
      await statuses(rows, async () => authorization, 'admin'),
      rows.map(([method, path]) => `${method} ${path} 401`),
    );
  }
});

test('a bearer token of a personal token with scopes lists no more than these', async () => {
  await registry.admin.pushImage('web/site', '1');
  const terms = { limits: parseLimits(['web/*:pull', 'team/*:push']) };
  const { secret } = await makePersonalToken(registry.store.credentials, 'admin', 'lists', terms);
  const token = await registry.token(basicAuthorization('admin', secret), 'registry:catalog:*');
  const answer = await registry.send('GET', '/v2/_catalog', {
    headers: { authorization: `Bearer ${token}` },
  });
  assert.deepEqual(JSON.parse(answer.body.toString()), { repositories: ['web/site'] });
});

test('the table has every route and method of the server', () => {
  const none = { pathPrefix: '', deletes: true } as unknown as RegistryDependencies;
  const routers = [
    createRegistryRouter(none),
    createManagementRouter(
      {
        store: registry.store,
        catalog: {},
        browse: [],
        events: [],
        fleet: [],
      } as unknown as ManagementDependencies,
      '',
    ),
    createTokenRouter({} as TokenDependencies, ''),
  ];
  const routes = routers.flatMap(({ stack }) =>
    stack.flatMap(({ methods, path }) => methods.map((method) => `${method} ${path}`)),
  );
  const table = [...DISTRIBUTION, ...MANAGEMENT, ...TOKENS].map(
    ([method, , pattern]) => `${method} ${pattern}`,
  );
  // The router adds HEAD to every GET; where none has its own route it says what GET says.
  const implied = routes.filter((route) => route.startsWith('HEAD ') && !table.includes(route));
  for (const route of implied) assert.ok(table.includes(route.replace('HEAD', 'GET')), route);
  const missing = routes.filter((route) => !table.includes(route) && !implied.includes(route));
  assert.deepEqual(missing, []);
  assert.deepEqual(
    table.filter((line) => !routes.includes(line)),
    [],
  );
});

/** Routes that fleet-rights-matrix and fleet-apps try as everybody. */
const FLEET = /^\/(?:apps|hosts|host-tokens|running)(?:\/|$)/;
/** Routes of repositories, which browse-api tries as everybody: what a visitor may not see is not there for them. */
const BROWSE = /^\/(?:repositories|tags|disk-use)(?:\/(?!\{repository\}\/access$)|$)/;

/** A stream, of which events.test tries who gets what. */
const STREAM = '/events';

test('openapi.json has every route and method of the management API', async () => {
  const served = await registry.send('GET', '/api/v1/openapi.json');
  const { paths } = JSON.parse(served.body.toString()) as { paths: Readonly<Record<string, object>> };
  const described = Object.entries(paths)
    .filter(([path]) => !FLEET.test(path) && !BROWSE.test(path) && path !== STREAM)
    .flatMap(([path, operations]) =>
      Object.keys(operations)
        .filter((method) => method !== 'parameters')
        .map((method) => `${method.toUpperCase()} /api/v1${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
    );
  const routes = new Set(MANAGEMENT.map(([method, , pattern]) => `${method} ${pattern}`));
  assert.deepEqual(described.toSorted(), [...routes].toSorted());
});
