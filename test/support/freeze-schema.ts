import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CATALOG_MIGRATIONS } from '../../storage/catalog/catalog-migrations.ts';
import { type CleanupScope, withCleanup } from './cleanup.ts';
import { basicAuthorization, sendRequest } from './http-client.ts';
import { FACTS, joinHost } from './joined-host.ts';
import { startPostgres } from './postgres.ts';
import { createRegistryClient, OCI_INDEX, OCI_MANIFEST } from './registry-client.ts';
import { startRegistry } from './registry-process.ts';
import { ADMIN_PASSWORD } from './registry-with-accounts.ts';
import { runCommand } from './run-command.ts';
import { makeTempDir } from './temp-dir.ts';

/** What a frozen registry answered when it was frozen. */
export interface FrozenContent {
  /** Personal token of the user `ada`. */
  readonly token: string;
  readonly answers: readonly FrozenAnswer[];
  /** Files of blobs by their paths in the data folder. */
  readonly blobs: Readonly<Record<string, string>>;
}

/** A request of the administrator, unless `as` has another Authorization header, and its answer. */
export interface FrozenAnswer {
  readonly path: string;
  readonly as?: string;
  readonly body: string;
}

const FOLDER = join(import.meta.dirname, '../fixtures');
const PASSWORD = 'a password of ada';

/** Writes the schema and content of a registry of this version below test/fixtures, on SQLite and PostgreSQL. */
async function freeze(scope: CleanupScope): Promise<void> {
  const folder = join(FOLDER, `catalog-${CATALOG_MIGRATIONS.steps.at(-1)?.name.slice(0, 4)}`);
  await mkdir(folder, { recursive: true });
  const write = (name: string, text: string) => writeFile(join(folder, name), text);
  const onSqlite = await fill(scope, []);
  await write('sqlite.json', `${JSON.stringify(onSqlite.content, null, 2)}\n`);
  await write('sqlite.sql', dumpSqlite(join(onSqlite.data, 'catalog.sqlite')));
  const postgres = await startPostgres(scope);
  const url = await postgres.createDatabase();
  const onPostgres = await fill(scope, ['--database', url]);
  await write('postgres.json', `${JSON.stringify(onPostgres.content, null, 2)}\n`);
  await write('postgres.sql', await dumpPostgres(url));
}

async function fill(
  scope: CleanupScope,
  args: readonly string[],
): Promise<{ readonly data: string; readonly content: FrozenContent }> {
  const folder = await makeTempDir(scope, 'freeze');
  const registry = await startRegistry(scope, {
    adminPassword: ADMIN_PASSWORD,
    dataDir: join(folder, 'data'),
    args,
  });
  const admin = basicAuthorization('admin', ADMIN_PASSWORD);
  const api = async (method: string, path: string, body?: object, authorization = admin) => {
    const answer = await sendRequest(`${registry.url}/api/v1${path}`, {
      method,
      headers: { authorization, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.body}`);
    return answer.body.length === 0 ? {} : JSON.parse(answer.body.toString());
  };
  await api('POST', '/users', { name: 'ada', password: PASSWORD });
  await api('POST', '/teams', { name: 'crew' });
  await api('PUT', '/teams/crew/members/ada');
  await api('PUT', '/grants', { holder: 'team:crew', pattern: 'team/*', role: 'maintainer' });
  const token = await api(
    'POST',
    '/tokens',
    { name: 'laptop', expiresAt: null },
    basicAuthorization('ada', PASSWORD),
  );
  await api('POST', '/robots', {
    owner: 'team:crew',
    name: 'ci',
    scopes: ['team/*:pull,push'],
    expiresAt: null,
  });
  await api('PUT', '/tag-rules', { pattern: 'team/*', tags: 'v*', kind: 'immutable' });
  await api('PUT', '/quotas', { pattern: 'team/*', bytes: 2 ** 30 });
  const issuer = 'https://id.example';
  const job = { name: 'job', issuer, audience: 'berth', claims: { repository: 'team/app' } };
  await api('POST', '/rules', { ...job, role: 'writer', pattern: 'team/app' });
  const provider = { name: 'work', issuer, clientId: 'berth', clientSecret: 'the-secret-of-a-client' };
  await api('POST', '/providers', { ...provider, groups: { 'all of us': 'crew' } });
  const hook = { name: 'ci', url: 'https://ci.invalid/hook?a=b', events: ['push'], pattern: 'other/*' };
  await api('POST', '/webhooks', hook);
  await pushImages(registry.url);
  await deployApp(scope, registry, api);
  const answers = await answersOf(registry.url, token.secret);
  await registry.stop();
  const content = { token: String(token.secret), answers, blobs: await blobsIn(registry.dataDir) };
  return { data: registry.dataDir, content };
}

async function pushImages(url: string): Promise<void> {
  const ada = createRegistryClient(url, { name: 'ada', password: PASSWORD });
  const admin = createRegistryClient(url, { name: 'admin', password: ADMIN_PASSWORD });
  const first = await ada.pushImage('team/app', 'v1');
  const second = await ada.pushImage('team/app', 'latest');
  const member = (image: typeof first, architecture: string) => ({
    mediaType: OCI_MANIFEST,
    digest: image.digest,
    size: image.bytes.length,
    platform: { os: 'linux', architecture },
  });
  const manifests = [member(first, 'amd64'), member(second, 'arm64')];
  await ada.pushManifest(
    'team/app',
    'multi',
    { schemaVersion: 2, mediaType: OCI_INDEX, manifests },
    OCI_INDEX,
  );
  const { platform: _, ...subject } = member(first, 'amd64');
  await ada.pushManifest('team/app', 'signature', {
    ...first.manifest,
    artifactType: 'example/signature',
    subject,
  });
  await ada.pushImage('team/app', 'gone');
  assert.equal((await ada.send('DELETE', '/v2/team/app/manifests/gone')).status, 202);
  await admin.pushImage('other/tool', '1');
}

async function deployApp(
  scope: CleanupScope,
  { url, host }: { readonly url: string; readonly host: string },
  api: (method: string, path: string, body?: object) => Promise<{ readonly token: string }>,
): Promise<void> {
  const { token } = await api('POST', '/host-tokens', { labels: { zone: 'a' } });
  const joined = await joinHost(scope, url, token, 'web1');
  const socket = await joined.connect();
  socket.send({ type: 'hello', facts: FACTS, generation: 0 });
  await socket.message('target');
  const compose = { services: { web: { image: `${host}/team/app:multi` } } };
  await api('POST', '/apps/team%2Fshop/releases', { compose });
}

async function answersOf(url: string, token: string): Promise<readonly FrozenAnswer[]> {
  const asAda = basicAuthorization('ada', token);
  const repositories = ['team/app', 'other/tool'].map(
    (name) => `/api/v1/repositories/${encodeURIComponent(name)}`,
  );
  const wanted: readonly Omit<FrozenAnswer, 'body'>[] = [
    ...['/v2/_catalog', '/v2/team/app/tags/list', '/v2/other/tool/tags/list'],
    ...['v1', 'latest', 'multi', 'signature'].map((tag) => `/v2/team/app/manifests/${tag}`),
    '/v2/other/tool/manifests/1',
    ...repositories.flatMap((path) => [`${path}/tags`, `${path}/deleted-tags`, `${path}/manifests`]),
    ...['users', 'teams', 'teams/crew', 'grants', 'rules', 'providers', 'robots', 'webhooks'].map(
      (name) => `/api/v1/${name}`,
    ),
    ...[
      'tag-rules',
      'quotas',
      'audit?action=push&repository=team/app',
      'hosts',
      'apps',
      'apps/team%2Fshop',
    ].map((name) => `/api/v1/${name}`),
  ].map((path) => ({ path }));
  const answers: FrozenAnswer[] = [];
  for (const request of [...wanted, { path: '/v2/team/app/tags/list', as: asAda }]) {
    const answer = await ask(url, request);
    answers.push({ ...request, body: answer });
  }
  return answers;
}

/** Sends a frozen request; returns the body of the answer. Throws when it fails. */
export async function ask(url: string, { path, as }: Omit<FrozenAnswer, 'body'>): Promise<string> {
  const authorization = as ?? basicAuthorization('admin', ADMIN_PASSWORD);
  const accept = `${OCI_MANIFEST}, ${OCI_INDEX}`;
  const answer = await sendRequest(`${url}${path}`, { headers: { authorization, accept } });
  assert.equal(answer.status, 200, `${path}: ${answer.body}`);
  return answer.body.toString();
}

/** Statements that make an SQLite database with its rows. Private keys of tokens are left out. */
function dumpSqlite(file: string): string {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const made = database
      .prepare("select type, name, sql from sqlite_master where sql is not null and name not like 'sqlite_%'")
      .all();
    const tables = made.filter(({ type }) => type === 'table');
    const rows = [...tables.map(({ name }) => String(name)), 'sqlite_sequence']
      .filter((name) => name !== 'signing_keys')
      .flatMap((name) =>
        database
          .prepare(`select * from ${name}`)
          .all()
          .map((row) => `insert into ${name} values (${Object.values(row).map(literal).join(', ')})`),
      );
    const others = made.filter(({ type }) => type !== 'table');
    const statements = [...tables.map(({ sql }) => sql), ...rows, ...others.map(({ sql }) => sql)];
    return statements.map((sql) => `${sql};\n`).join('');
  } finally {
    database.close();
  }
}

function literal(value: unknown): string {
  if (value === null) return 'null';
  if (value instanceof Uint8Array) return `x'${Buffer.from(value).toString('hex')}'`;
  return typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value);
}

async function dumpPostgres(url: string): Promise<string> {
  const { stdout } = await runCommand('pg_dump', [
    ...['--inserts', '--no-owner', '--no-privileges', '--no-comments', '--exclude-table-data=signing_keys'],
    url,
  ]);
  // Commands of psql, and remarks.
  return stdout.replaceAll(/^(?:\\.*|--.*|)\n/gm, '');
}

async function blobsIn(data: string): Promise<FrozenContent['blobs']> {
  const blobs: Record<string, string> = {};
  const folder = join(data, 'blobs');
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    blobs[path.slice(data.length + 1)] = await readFile(path, 'utf8');
  }
  return blobs;
}

if (import.meta.main) await withCleanup(freeze);
