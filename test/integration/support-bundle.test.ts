import assert from 'node:assert/strict';
import { mkdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import {
  CONTAINER_MIGRATIONS,
  CONTAINER_MIGRATIONS_TABLE,
} from '../../runtime-agent/containers/migrations.ts';
import { openDatabase } from '../../storage/catalog/database.ts';
import { migrate } from '../../storage/catalog/migrate.ts';
import { makeAccountsAndRules } from '../support/accounts-and-rules.ts';
import { runBerthIn } from '../support/berth-command.ts';
import { ADMIN_PASSWORD, startRegistryWithAccounts } from '../support/registry-with-accounts.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const AGENT = join(import.meta.dirname, '../../runtime-agent/main.ts');
const TOKEN = `berth_pat_${'x7'.repeat(18)}`;
const JSON_WEB_TOKEN = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZG1pbiJ9.c2lnbmF0dXJl';

/** Lines of a log that has every kind of secret. */
const LOG = [
  { level: 30, msg: 'request', path: '/v2/', requestId: 'the-id-1' },
  {
    level: 50,
    err: { message: 'Get "https://ann:log-password@host/x?X-Amz-Signature=log-signature": refused' },
  },
  {
    level: 50,
    password: 'log-field',
    nested: [{ clientSecret: 'log-nested' }],
    headers: { Authorization: 'x log-header' },
  },
  {
    level: 50,
    msg: `Bearer ${JSON_WEB_TOKEN}, ${TOKEN} and Basic bG9nOmJhc2lj`,
    hash: '$argon2id$v=19$log-hash',
  },
  { level: 50, msg: '-----BEGIN PRIVATE KEY-----\nlog-private-key\n-----END PRIVATE KEY-----' },
  { level: 50, msg: 'the proxy http://127.0.0.1 refused env-password-9 and file-secret-8' },
]
  .map((line) => JSON.stringify(line))
  .concat('the password of the administrator is log-plain', '    at frame (file.ts:1:1)')
  .join('\n');
const IN_LOG = [
  ...[
    'log-password',
    'log-signature',
    'log-field',
    'log-nested',
    'log-header',
    'log-hash',
    'log-private-key',
  ],
  ...['log-plain', JSON_WEB_TOKEN, TOKEN, 'bG9nOmJhc2lj'],
];

interface Bundle {
  readonly names: readonly string[];
  readonly text: (name: string) => string;
  /** Fails if a secret is in it, as it is or in base64. */
  expectWithout(secrets: readonly string[]): void;
}

async function readBundle(file: string): Promise<Bundle> {
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const { stdout } = await runCommand('tar', ['--list', '--file', file]);
  const bytes = gunzipSync(await readFile(file));
  const files = new Map<string, string>();
  for (let at = 0; bytes[at] !== 0; ) {
    const field = (from: number, length: number) => bytes.toString('latin1', at + from, at + from + length);
    const size = Number.parseInt(field(124, 11), 8);
    files.set(field(0, 100).replace(/\0.*$/, '').split('/').at(-1) ?? '', field(512, size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  assert.equal(stdout.trim().split('\n').length, files.size);
  return {
    names: [...files.keys()],
    text: (name) => files.get(name) ?? assert.fail(`${name} is not among ${[...files.keys()]}`),
    expectWithout: (secrets) => {
      assert.ok(secrets.length > 10);
      for (const secret of secrets) {
        assert.ok(secret.length > 5);
        assert.equal(bytes.includes(secret), false, `${secret} is in the bundle`);
        const encoded = Buffer.from(secret).toString('base64').replace(/=*$/, '');
        assert.equal(bytes.includes(encoded), false, `${secret} is in the bundle, in base64`);
      }
    },
  };
}

test('a bundle of a running registry has what helps, and none of its secrets', async (t) => {
  const registry = await startRegistryWithAccounts(t);
  const made = await makeAccountsAndRules(registry);
  const hashes = await registry.store.database('accounts').pluck('password_hash');
  const folder = await makeTempDir(t, 'bundle');
  const path = (name: string) => join(folder, name);
  await writeFile(path('log'), LOG);
  await writeFile(path('password'), 'file-secret-8\n');
  const storage =
    's3://bucket/x?region=eu&endpoint=https://s3user:config-s3-key@s3.example&secret=config-s3-other';
  await writeFile(path('config.json'), JSON.stringify({ storage, gcGrace: '48h' }));
  const env = {
    BERTH_ADMIN_PASSWORD_FILE: path('password'),
    BERTH_TOKEN: 'env-berth-token',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://me:env-otlp-user@127.0.0.1:1',
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20env-otlp-key,x=env-otlp-other',
    AWS_ACCESS_KEY_ID: 'AKIAENVENVENVENVENV1',
    AWS_SECRET_ACCESS_KEY: 'env-aws-secret',
    HTTPS_PROXY: 'http://me:env-password-9@proxy.example:3128',
  };
  const options = ['--data', registry.data, '--log', path('log'), '--output', path('bundle.tar.gz')];
  const result = await runBerthIn(env, 'support-bundle', ...options);
  assert.equal(result.exitCode, 0, result.stderr);
  assert.equal(result.stdout, `${path('bundle.tar.gz')}\n`);
  const bundle = await readBundle(path('bundle.tar.gz'));
  const catalog = JSON.parse(bundle.text('catalog.json'));
  assert.equal(catalog.rows.manifests, 1);
  assert.ok(catalog.bytes.file > 0 && catalog.content.blobs > 0);
  assert.ok(catalog.migrations.catalog_migrations.includes('0001-catalog'));
  assert.deepEqual([catalog.missingSteps, catalog.unknownSteps], [[], []]);
  assert.match(bundle.text('log.jsonl'), /the-id-1[\s\S]* {4}at frame[\s\S]*1 lines that are not JSON/);
  assert.ok(JSON.parse(bundle.text('memory.json')).bytes.MemTotal > 0);
  assert.ok(
    JSON.parse(bundle.text('disk.json')).entries.some(
      ({ name }: { name: string }) => name === 'catalog.sqlite',
    ),
  );
  const secrets = [
    ...IN_LOG,
    ...Object.values(env).filter((value) => /^(env-|AKIA)/.test(value)),
    ...['env-otlp-user', 'env-otlp-key', 'env-otlp-other', 'file-secret-8', 'env-password-9', ADMIN_PASSWORD],
    ...made.secrets,
    ...hashes.filter((hash) => hash !== null),
    (await readFile(join(registry.data, 'secrets.key')).catch(() => Buffer.from('no such key'))).toString(
      'latin1',
    ),
  ];
  bundle.expectWithout(secrets);
  const again = await runBerthIn(env, 'support-bundle', ...options);
  assert.equal(again.exitCode, 2);
  assert.match(again.stderr, /exists: choose another name with --output/);

  await registry.stop();
  await truncate(join(registry.data, 'catalog.sqlite'), 5000);
  const more = ['--config', path('config.json'), '--database', 'postgres://ann:flag-password@127.0.0.1:1/db'];
  const target = ['--output', path('other.tar.gz'), '--log', path('none')];
  const other = await runBerthIn(env, 'support-bundle', '--data', registry.data, ...more, ...target);
  assert.equal(other.exitCode, 0, other.stderr);
  const damaged = await readBundle(path('other.tar.gz'));
  assert.match(damaged.text('log.jsonl.error.txt'), /ENOENT/);
  assert.match(damaged.text('catalog.json.error.txt'), /settings are not valid|cannot be opened/);
  assert.match(damaged.text('settings.json'), /s3:\/\/\[removed\]@s3\.example/);
  damaged.expectWithout([...secrets, 'flag-password', 'config-s3-key', 'config-s3-other']);

  await writeFile(path('config.json'), '{"database": "postgres://ann:broken-password@db/x", nonsense}');
  const last = ['--config', path('config.json'), '--output', path('third.tar.gz'), '--log', path('log')];
  assert.equal((await runBerthIn({}, 'support-bundle', '--data', registry.data, ...last)).exitCode, 0);
  const third = await readBundle(path('third.tar.gz'));
  assert.match(third.text('settings.json'), /config\.json is not JSON"/);
  third.expectWithout([...IN_LOG, 'broken-password']);
});

test('a damaged catalog, and a FIFO for a log, are told in the bundle', async (t) => {
  const folder = await makeTempDir(t, 'bundle');
  await runCommand('mkfifo', [join(folder, 'log')]);
  await writeFile(join(folder, 'catalog.sqlite'), 'this is no database'.repeat(1000));
  const file = join(folder, 'bundle.tar.gz');
  const options = ['--data', folder, '--log', join(folder, 'log'), '--output', file];
  const { exitCode } = await runBerthIn({}, 'support-bundle', ...options);
  assert.equal(exitCode, 0);
  const bundle = await readBundle(file);
  assert.match(bundle.text('log.jsonl.error.txt'), /not a regular file/);
  assert.match(bundle.text('catalog.json.error.txt'), /file is not a database/);
  assert.match(bundle.text('listener.json.error.txt'), /no registry answers|other/);
});

test('a bundle of an agent has what doctor finds, and neither logins nor environments', async (t) => {
  const folder = await makeTempDir(t, 'bundle');
  const path = (name: string) => join(folder, name);
  const database = await openDatabase({ file: path('berth-agent.sqlite') });
  await migrate(database, CONTAINER_MIGRATIONS_TABLE, CONTAINER_MIGRATIONS);
  const texts = [
    'created_at',
    'image_id',
    'path',
    'args',
    'host_config',
    'error',
    'started_at',
    'finished_at',
  ];
  await database('containers').insert({
    ...Object.fromEntries(texts.map((name) => [name, ''])),
    id: '1',
    name: 'one',
    status: 'exited',
    config: JSON.stringify({ Env: ['PASSWORD=container-secret'] }),
    exit_code: 0,
    oom_killed: false,
    stopped_by_user: false,
  });
  await database.destroy();
  await mkdir(path('fleet'));
  await writeFile(path('fleet/membership.json'), '{"key":{"d":"host-private-key"}}');
  const auth = Buffer.from('me:login-password').toString('base64');
  await writeFile(path('auth.json'), JSON.stringify({ auths: { 'host.example': { auth } } }));
  await writeFile(
    path('log'),
    `${LOG}\n${JSON.stringify({ msg: `login-password flag-proxy-key ${auth}` })}\n`,
  );
  const args = [
    ...['support-bundle', '--data', folder, '--output', path('bundle.tar.gz'), '--log', path('log')],
    ...['--http-proxy', 'me:flag-proxy-key@proxy.example:3128', '--registry-auth', path('auth.json')],
    ...[
      '--registry-mirror',
      'docker.io=https://mirror.example/?key=flag-mirror-key',
      '--socket',
      path('none.sock'),
    ],
  ];
  const env = {
    BERTH_AGENT_HTTPS_PROXY: 'http://me:env-password-9@proxy.example',
    NPM_TOKEN: 'file-secret-8',
  };
  await runCommand(process.execPath, [AGENT, ...args], { env });
  const bundle = await readBundle(path('bundle.tar.gz'));
  assert.deepEqual(JSON.parse(bundle.text('state.json')).containers, { exited: 1 });
  assert.ok(JSON.parse(bundle.text('doctor.json')).length > 3);
  assert.match(
    bundle.text('settings.json'),
    /\[removed\]@proxy\.example:3128[\s\S]*docker\.io=https:\/\/mirror\.example\/\?\[removed\]/,
  );
  assert.match(bundle.text('metrics.txt.error.txt'), /does not answer/);
  bundle.expectWithout([
    ...IN_LOG,
    ...['container-secret', 'host-private-key', 'login-password', auth, 'flag-proxy-key', 'flag-mirror-key'],
    ...['env-password-9', 'file-secret-8'],
  ]);
});
