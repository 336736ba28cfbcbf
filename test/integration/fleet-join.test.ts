import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { hashSecret } from '../../auth/credentials/secret.ts';
import { startFleetRegistry } from '../support/fleet-registry.ts';
import { FACTS, joinBody, makeHostKeys, postJson, signChallenge } from '../support/joined-host.ts';

const registry = await startFleetRegistry({ after });
const fleet = `${registry.url}/api/v1/fleet`;

const answerOf = async (answer: Response) => ({ status: answer.status, text: await answer.text() });
const join = async (body: unknown, url = fleet) => answerOf(await postJson(`${url}/join`, body));
const code = (text: string) => JSON.parse(text).errors[0].code;

describe('machines join as hosts', () => {
  test('a token is printed once, and makes one host', async () => {
    const answer = await registry.manage('POST', '/host-tokens', { labels: { role: 'web' } });
    assert.equal(answer.status, 201);
    const { token = '', labels, expiresAt = '' } = (await answer.json()) as Record<string, string>;
    assert.match(token, /^bjt_[\w-]{43}$/);
    assert.deepEqual(labels, { role: 'web' });
    assert.ok(Date.parse(expiresAt) > Date.now());
    const keys = await makeHostKeys();
    const body = joinBody(token, 'web1', keys, { labels: { role: 'db', zone: 'a' } });
    const joined = await join(body);
    assert.equal(joined.status, 201, joined.text);
    const made = JSON.parse(joined.text);
    assert.deepEqual(made, { id: made.id, name: 'web1', labels: { role: 'web', zone: 'a' } });
    const again = await join({ ...body, name: 'web2' });
    assert.equal(again.status, 403);
    assert.match(again.text, /was already used/);
    const shown = (await (await registry.manage('GET', '/hosts/web1')).json()) as Record<string, unknown>;
    assert.ok(shown.joinedAt);
    assert.deepEqual(shown, {
      ...made,
      state: 'unknown',
      draining: false,
      facts: FACTS,
      joinedAt: shown.joinedAt,
      seenAt: null,
      apps: [],
    });
    const [entry] = await registry.audited(/the host web1 joined/);
    assert.deepEqual(
      [entry?.who, entry?.action, entry?.outcome, entry?.address],
      ['host:web1', 'manage', 'done', '127.0.0.1'],
    );
    assert.deepEqual(await registry.audited(/bjt_/), []);
  });

  test('a token is refused that has expired, is of another registry, or is cut', async () => {
    const keys = await makeHostKeys();
    const expired = 'bjt_'.padEnd(47, 'x');
    await registry.hosts.createToken({
      id: 'old',
      secretHash: hashSecret(expired),
      labels: {},
      expiresAt: new Date(Date.now() - 1),
      createdBy: 'admin',
    });
    for (const [token, sentence] of [
      [expired, /has expired/],
      ['bjt_'.padEnd(47, 'y'), /not from this registry/],
      [(await registry.joinToken()).slice(0, -1), /incomplete/],
    ] as const) {
      const { status, text } = await join(joinBody(token, 'never', keys));
      assert.equal(status, 403, text);
      assert.match(text, sentence);
    }
    assert.equal((await registry.manage('GET', '/hosts/never')).status, 404);
  });

  test('a refusal says which field cannot be, and leaves the token as it is', async () => {
    const token = await registry.joinToken();
    const good = joinBody(token, 'fine', await makeHostKeys());
    await registry.join('taken');
    const refusals: readonly (readonly [object, number, RegExp])[] = [
      [{ ...good, name: 'taken' }, 409, /already a host named .*taken/],
      [{ ...good, name: 'Web 1' }, 400, /not a name of a host/],
      [{ ...good, name: '../x' }, 400, /not a name of a host/],
      [{ ...good, name: 'x'.repeat(64) }, 400, /not a name of a host/],
      [{ ...good, publicKey: 'short' }, 400, /publicKey/],
      [
        { ...good, recipient: good.recipient.replace(/.$/, (last) => (last === 'q' ? 'p' : 'q')) },
        400,
        /recipient/,
      ],
      [{ ...good, labels: { 'a b': 'c' } }, 400, /key of a label/],
      [{ ...good, labels: { a: 'line\nfeed' } }, 400, /label a/],
      [
        { ...good, labels: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`k${n}`, ''])) },
        400,
        /64 labels/,
      ],
      [{ ...good, facts: { ...FACTS, memory: -1 } }, 400, /facts.memory/],
      [{ ...good, facts: { ...FACTS, version: 'x'.repeat(300) } }, 400, /facts.version/],
      [{ ...good, facts: undefined }, 400, /facts must be an object/],
      [[], 400, /must be an object/],
    ];
    for (const [body, status, sentence] of refusals) {
      const refused = await join(body);
      assert.equal(refused.status, status, refused.text);
      assert.match(refused.text, sentence);
    }
    const form = await fetch(`${fleet}/join`, { method: 'POST', body: 'token=x' });
    assert.equal(form.status, 415);
    const large = await join({ ...good, more: 'x'.repeat(70_000) });
    assert.equal(large.status, 400);
    assert.equal((await join({ ...good, unknownField: 1 })).status, 201);
  });

  test('an address that tries many tokens has to wait', async (t) => {
    const other = await startFleetRegistry(t);
    const url = `${other.url}/api/v1/fleet`;
    const keys = await makeHostKeys();
    const wrong = joinBody('bjt_'.padEnd(47, 'z'), 'guess', keys);
    for (let count = 0; count < 10; count += 1) assert.equal((await join(wrong, url)).status, 403);
    const late = await postJson(`${url}/join`, joinBody(await other.joinToken(), 'right', keys));
    assert.equal(late.status, 429);
    assert.ok(Number(late.headers.get('Retry-After')) > 0);
  });
});

describe('a host proves that it is itself', () => {
  const challengeOf = async (host: string): Promise<string> =>
    ((await (await postJson(`${fleet}/challenge`, { host })).json()) as { challenge: string }).challenge;
  const tokenOf = async (challenge: string, signature: string) =>
    answerOf(await postJson(`${fleet}/token`, { challenge, signature }));

  test('by the signature of a challenge', async () => {
    const host = await registry.join('prover');
    const challenge = await challengeOf(host.id);
    const { status, text } = await tokenOf(challenge, signChallenge(host.privateKey, challenge));
    assert.equal(status, 200, text);
    assert.equal(JSON.parse(text).expiresIn, 600);
    assert.equal((await host.get('/target')).status, 200);
  });

  test('not by the key of another host, another challenge, or another text', async () => {
    const host = await registry.join('victim');
    const other = await registry.join('liar');
    const challenge = await challengeOf(host.id);
    const wrong = [
      signChallenge(other.privateKey, challenge),
      signChallenge(host.privateKey, await challengeOf(host.id)),
      signChallenge(host.privateKey, ''),
      '',
      'x'.repeat(86),
    ];
    for (const signature of wrong) {
      const { status, text } = await tokenOf(challenge, signature);
      assert.equal(status, 401, text);
      assert.equal(code(text), 'UNAUTHORIZED');
    }
    // Of its own challenge it may be right, but it is not the other host's.
    const own = await challengeOf(other.id);
    const { text } = await tokenOf(own, signChallenge(other.privateKey, own));
    const login = Buffer.from(`host:${host.id}:${JSON.parse(text).token}`).toString('base64');
    const answer = await registry.send('GET', '/token', { headers: { authorization: `Basic ${login}` } });
    assert.equal(answer.status, 401);
  });

  test('a token of one kind is none of another', async () => {
    const host = await registry.join('mixer');
    const challenge = await challengeOf(host.id);
    const token = await host.token();
    const pull = await registry.token(
      `Basic ${Buffer.from(`host:${host.id}:${token}`).toString('base64')}`,
      'repository:x:pull',
    );
    for (const wrong of [challenge, pull, `${token.slice(0, -4)}AAAA`, 'a.b.c', '']) {
      const answer = await fetch(`${fleet}/target`, { headers: { Authorization: `Bearer ${wrong}` } });
      assert.equal(answer.status, 401, wrong);
    }
    assert.equal((await tokenOf(token, signChallenge(host.privateKey, token))).status, 401);
    const asUser = { Authorization: `Bearer ${token}` };
    assert.equal((await fetch(`${registry.url}/v2/`, { headers: asUser })).status, 401);
    assert.equal((await registry.manage('GET', '/hosts', undefined, asUser.Authorization)).status, 401);
  });

  test('also when its clock is off by an hour', async () => {
    // Nothing that a host sends has a time of its own: what it signs is the registry's.
    const host = await registry.join('late');
    const challenge = await challengeOf(host.id);
    const payload = JSON.parse(Buffer.from(challenge.split('.')[1] ?? '', 'base64url').toString());
    assert.equal(payload.exp - payload.iat, 60);
    assert.equal((await tokenOf(challenge, signChallenge(host.privateKey, challenge))).status, 200);
  });

  test('a removed host has no access any more, and no token', async () => {
    const host = await registry.join('leaver');
    assert.equal((await host.get('/target')).status, 200);
    assert.equal((await registry.manage('DELETE', '/hosts/leaver')).status, 204);
    const refused = await host.get('/target');
    assert.equal(refused.status, 401);
    assert.match(await refused.text(), /it was removed/);
    const challenge = await challengeOf(host.id);
    const again = await tokenOf(challenge, signChallenge(host.privateKey, challenge));
    assert.equal(again.status, 404);
    assert.equal(code(again.text), 'UNKNOWN_NAME');
    assert.equal((await registry.manage('DELETE', '/hosts/leaver')).status, 404);
  });
});
