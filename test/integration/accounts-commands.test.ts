import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { parse } from 'yaml';
import { runBerth } from '../support/berth-command.ts';
import { basicAuthorization } from '../support/http-client.ts';
import { openTerminal } from '../support/open-terminal.ts';
import { REGISTRY_PROGRAM } from '../support/programs.ts';
import { startRegistryWithAccounts } from '../support/registry-with-accounts.ts';

// The commands work on the database of a server that runs.
const registry = await startRegistryWithAccounts({ after });
await registry.admin.pushImage('team/app', '1');

async function berth(...args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runBerth(...args, '--data', registry.data);
  assert.equal(exitCode, 0, stderr);
  return stdout.trim();
}

async function refused(exitCode: number, message: RegExp, ...args: readonly string[]): Promise<void> {
  const result = await runBerth(...args, '--data', registry.data);
  assert.equal(result.exitCode, exitCode, result.stdout);
  assert.match(result.stderr, message);
  assert.equal(result.stderr.trim().split('\n').length, 1);
}

const status = async (path: string, authorization: string) =>
  (await registry.send('GET', path, { headers: { authorization } })).status;
const MANIFEST = '/v2/team/app/manifests/1';

test('a person, a team and a role, and all of it taken back', async () => {
  const password = await berth('user', 'add', 'ada');
  const ada = basicAuthorization('ada', password);
  assert.equal(await status(MANIFEST, ada), 403);
  await berth('team', 'add', 'crew');
  await berth('team', 'join', 'crew', 'ada');
  await berth('grant', 'add', 'team:crew', 'team/*', 'reader');
  assert.equal(await status(MANIFEST, ada), 200);
  assert.equal(await berth('user', 'list'), 'ada    -\nadmin  administrator');
  assert.equal(await berth('team', 'list'), 'crew  ada');
  assert.equal(await berth('grant', 'list'), 'team:crew  team/*  reader');
  await berth('team', 'leave', 'crew', 'ada');
  assert.equal(await status(MANIFEST, ada), 403);
  await berth('grant', 'add', 'public', 'team/app', 'reader');
  assert.equal((await registry.send('GET', MANIFEST)).status, 200);
  await berth('grant', 'remove', 'public', 'team/app');
  assert.equal((await registry.send('GET', MANIFEST)).status, 401);
  const changed = await berth('user', 'password', 'ada');
  assert.equal(await status('/v2/', ada), 401);
  assert.equal(await status('/v2/', basicAuthorization('ada', changed)), 200);
});

test('tokens and robots, their lists and ends', async () => {
  await berth('grant', 'add', 'user:ada', '*', 'writer');
  const secret = await berth('token', 'create', 'ada', '--name', 'laptop', '--scope', 'team/*:pull');
  const token = basicAuthorization('ada', secret);
  assert.equal(await status(MANIFEST, token), 200);
  const line = await berth('token', 'list', 'ada');
  assert.match(
    line,
    /^[0-9A-Za-z]{10} {2}token "laptop" {2}team\/\*:pull {2}\d{4}-\d\d-\d\d {2}\d{4}-\d\d-\d\d$/,
  );
  await berth('token', 'revoke', line.split(' ')[0] ?? '');
  await refused(1, /there is no account named "aada"/, 'token', 'list', 'aada');
  assert.equal(await status(MANIFEST, token), 401);

  const first = await berth(
    'robot',
    'create',
    'user:ada',
    'ci',
    '--scope',
    'team/app:pull',
    '--expires',
    'never',
  );
  const second = await berth('robot', 'rotate', 'ada+ci');
  assert.equal(await status(MANIFEST, basicAuthorization('ada+ci', first)), 401);
  assert.equal(await status(MANIFEST, basicAuthorization('ada+ci', second)), 200);
  assert.match(await berth('robot', 'list'), /^ada\+ci {2}team\/app:pull {2}\d{4}/);
  await berth('robot', 'remove', 'ada+ci');
  assert.equal(await status(MANIFEST, basicAuthorization('ada+ci', second)), 401);
});

test('every list is JSON on demand, and holds no secret', async () => {
  const secrets = [
    await berth('token', 'create', 'ada', '--name', 'listed'),
    await berth('robot', 'create', 'user:ada', 'listed', '--scope', 'team/app:pull'),
    await berth('webhook', 'add', 'listed', 'https://127.0.0.1:1/hook', '--webhook-private', 'on'),
  ];
  for (const words of [
    ['user'],
    ['team'],
    ['grant'],
    ['rule'],
    ['provider'],
    ['robot'],
    ['webhook'],
    ['tag-rule'],
    ['quota'],
    ['token', 'ada'],
  ]) {
    const [noun = '', ...rest] = words;
    const list = (format: string) => berth(noun, 'list', ...rest, '--format', format);
    const [json, jsonl] = [await list('json'), await list('jsonl')];
    const rows = jsonl === '' ? [] : jsonl.split('\n').map((line) => JSON.parse(line));
    assert.deepEqual(JSON.parse(json), rows, noun);
    for (const secret of secrets) assert.ok(!json.includes(secret), noun);
    assert.doesNotMatch(json, /password|"hash"|"secret"/i, noun);
  }
  await refused(
    2,
    /"xml" is not a valid --format: write json, jsonl or table/,
    'user',
    'list',
    '--format',
    'xml',
  );
  await refused(2, /berth user has no "lst": .*did you mean "list"\?/, 'user', 'lst');
  await berth('robot', 'remove', 'ada+listed');
  await berth('webhook', 'remove', 'listed');
});

test('the Secret of Kubernetes holds a login for the images', async () => {
  const where = ['--kubernetes', '--server', 'registry.example:5000', '--namespace', 'prod'];
  const text = await berth('token', 'create', 'ada', ...where, '--secret-name', 'pull');
  const { data, ...rest } = parse(text);
  assert.deepEqual(rest, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'pull', namespace: 'prod' },
    type: 'kubernetes.io/dockerconfigjson',
  });
  assert.deepEqual(Object.keys(data), ['.dockerconfigjson']);
  const { auths } = JSON.parse(Buffer.from(data['.dockerconfigjson'], 'base64').toString());
  assert.deepEqual(Object.keys(auths), ['registry.example:5000']);
  const { username, password, auth } = auths['registry.example:5000'];
  assert.equal(Buffer.from(auth, 'base64').toString(), `${username}:${password}`);
  assert.equal(await status(MANIFEST, `Basic ${auth}`), 200);
});

test('keys are rotated under a server', async () => {
  const before = await registry.token(undefined);
  await berth('token', 'rotate-keys');
  assert.equal(await status('/v2/', `Bearer ${before}`), 200);
  assert.equal((await registry.store.keys.list(new Date())).length, 2);
});

test('what cannot be done is said in one sentence', async () => {
  await refused(1, /there is no account named "gone"/, 'user', 'remove', 'gone');
  await refused(1, /last administrator/, 'user', 'admin', 'admin', 'off');
  await refused(
    1,
    /is not a role: choose one of reader, writer, maintainer, admin/,
    'grant',
    'add',
    'public',
    '*',
    'king',
  );
  await refused(1, /neither a token nor a login/, 'token', 'revoke', 'gone');
  await refused(1, /needs scopes/, 'robot', 'create', 'user:ada', 'x');
  await refused(2, /an action is missing: it has list, add, password, admin, link, unlink, remove/, 'user');
  await refused(2, /write: berth team join TEAM USER/, 'team', 'join', 'crew');
  await refused(2, /--kubernetes needs --server/, 'token', 'create', 'ada', '--kubernetes');
  await refused(2, /is not a token lifetime/, 'token', 'create', 'ada', '--expires', 'soon');
  await refused(
    2,
    /the option "--scoop" is not known: did you mean "--scope"/,
    'token',
    'create',
    'ada',
    '--scoop',
    'x',
  );
});

test('the audit trail: JSON lines elsewhere, a table on a terminal, and words that are wrong', async (t) => {
  const image = await registry.admin.pushImage('trail/app', '1');
  const pushes = await berth(
    'audit',
    '--repository',
    'trail/*',
    '--action',
    'push',
    '--who',
    'admin',
    '--since',
    '1h',
  );
  const events = pushes.split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(
    events.map(({ tag, digest }) => tag ?? digest),
    [image.manifest.config.digest, image.manifest.layers[0]?.digest, '1'],
  );
  const [last] = (
    await berth('audit', '--repository', 'trail/app', '--action', 'push', '--limit', '1')
  ).split('\n');
  assert.deepEqual(JSON.parse(last ?? ''), events[2]);
  assert.equal(await berth('audit', '--until', '2020-01-01'), '');
  const terminal = openTerminal(
    t,
    `stty cols 120; ${process.execPath} ${REGISTRY_PROGRAM} audit --limit all --repository trail/app --data ${registry.data}`,
  );
  const { exitCode, output } = await terminal.ended;
  assert.equal(exitCode, 0, output);
  const [head, ...rows] = output.trim().split(/\r?\n/);
  assert.match(head ?? '', /^TIME +WHO +FROM +ACTION +OUTCOME +WHAT$/);
  assert.ok(
    rows.some((row) => / admin +127\.0\.0\.1 +push +done +trail\/app:1@sha256:[0-9a-f]{12}$/.test(row)),
    output,
  );
  await refused(2, /--action: "stolen" is not one of push, mount/, 'audit', '--action', 'stolen');
  await refused(2, /--since: "yesterday" is not a time: write 2026-11-27/, 'audit', '--since', 'yesterday');
});
