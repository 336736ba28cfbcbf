import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type HttpRoute, IngressError } from '../../runtime-agent/fleet/ingress/ingress.ts';
import { sendRequest } from '../support/http-client.ts';
import { plainRoute, ready, startIngress } from '../support/ingress.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { type SeenRequest, startWebBackend } from '../support/web-backend.ts';

const signal = new AbortController().signal;

async function ask(url: string, host: string, headers: Readonly<Record<string, string>> = {}) {
  const answer = await sendRequest(url, { headers: { host, ...headers } });
  const isJson = answer.headers['content-type'] === 'application/json';
  return {
    ...answer,
    backend: answer.headers['x-backend'],
    seen: isJson ? (JSON.parse(answer.body.toString()) as SeenRequest) : undefined,
  };
}

test('requests go by host, and by the longest prefix of whole segments', {
  skip: unlessRoot(),
}, async (t) => {
  const { ingress, url } = await startIngress(t);
  const [one, two, three] = await Promise.all(
    ['one', 'two', 'three'].map((name) => startWebBackend(t, name)),
  );
  assert.ok(one && two && three);
  const problems = await ingress.setRoutes([
    plainRoute('Shop.Test', [one]),
    plainRoute('shop.test', [two], '/api/'),
    plainRoute('*.shop.test', [three]),
    plainRoute('odd.test', [two], "/a;b/'x'%20(y)"),
  ]);
  assert.deepEqual(problems, []);
  const table = [
    ['shop.test', '/', 'one'],
    ['SHOP.TEST.:80', '/', 'one'],
    ['shop.test', '/api', 'two'],
    ['shop.test', '/api?x=/', 'two'],
    ['shop.test', '/api/users', 'two'],
    ['shop.test', '/apis', 'one'],
    ['blue.shop.test', '/api', 'three'],
    ['odd.test', "/a;b/'x'%20(y)/z", 'two'],
  ] as const;
  for (const [host, path, name] of table) {
    assert.equal((await ask(`${url}${path}`, host)).backend, name, `${host}${path}`);
  }
  for (const host of ['other.test', 'blue.green.shop.test', 'test', '127.0.0.1', 'r0']) {
    assert.equal((await ask(url, host)).status, 404, host);
  }
});

test('a route without a ready backend answers 503 with Retry-After, also before any route was set', {
  skip: unlessRoot(),
}, async (t) => {
  const { ingress, url } = await startIngress(t);
  const early = await ask(url, 'shop.test');
  assert.equal(early.status, 503);
  const backend = await startWebBackend(t, 'one');
  await ingress.setRoutes([
    plainRoute('empty.test', []),
    { ...plainRoute('drains.test', []), backends: [{ ...ready(backend), state: 'draining' }] },
    plainRoute('dead.test', [{ address: '127.0.0.1', port: 1 }]),
  ]);
  for (const host of ['empty.test', 'drains.test', 'dead.test']) {
    const answer = await ask(url, host);
    assert.equal(answer.status, 503, host);
    assert.equal(answer.headers['retry-after'], '1', host);
  }
  assert.equal((await ask(url, 'shop.test')).status, 404);
});

test('backends learn of the client from the proxy alone', { skip: unlessRoot() }, async (t) => {
  const { ingress, url, plainPort } = await startIngress(t);
  await ingress.setRoutes([plainRoute('shop.test', [await startWebBackend(t, 'one')])]);
  const { seen } = await ask(url, 'shop.test', {
    connection: 'close, x-forwarded-for, x-kept',
    'x-forwarded-for': '6.6.6.6',
    'x-forwarded-proto': 'https',
    'x-forwarded-user': 'admin',
    'x-real-ip': '6.6.6.6',
    forwarded: 'for=6.6.6.6',
    'keep-alive': 'timeout=9',
    'proxy-connection': 'keep-alive',
    proxy: 'http://6.6.6.6',
    upgrade: 'h2c',
    'http2-settings': 'AAMAAABkAARAAAAAAAIAAAAA',
    'x-kept': 'yes',
  });
  assert.deepEqual(seen?.headers, {
    host: 'shop.test',
    'x-kept': 'yes',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': 'shop.test',
    'x-forwarded-port': String(plainPort),
  });
});

test('hostile routes are refused and change nothing in the proxy', { skip: unlessRoot() }, async (t) => {
  const { ingress, url } = await startIngress(t);
  const backend = await startWebBackend(t, 'one');
  const hosts = [
    'a\nb',
    'a b',
    'a"b',
    "a'b",
    'a{b}',
    'a;b',
    'a\\b',
    'a#b',
    '#a',
    '',
    '.',
    'a..b',
    '-a',
    'a/b',
    'a:80',
    '*',
    '*.',
    '*a.test',
    'a.*.test',
    '10.0.0.1',
    '[::1]',
    'a\0b',
    'a\rb',
    'ä.test',
    `${'a'.repeat(64)}.test`,
    `${'a.'.repeat(130)}test`,
    'a<<',
    '%[src]',
  ];
  const paths = [
    '',
    'a',
    '/a b',
    '/a\nb c',
    '/a\n',
    '/"',
    '/{a}',
    '/a\\',
    '/#',
    '/?',
    '/ä',
    '/%',
    '/%zz',
    '/a//b',
    '//',
    '/./a',
    '/../a',
    '/a\0',
    `/${'a'.repeat(1_100)}`,
    '/\r\nshow',
  ];
  const addresses = [
    '',
    'localhost',
    '10.0.0',
    '10.0.0.1 weight 0',
    'fe80::1%eth0',
    '::1]\n',
    '10.0.0.1;del server r0/x',
    'unix@/x',
  ];
  const hostile: readonly HttpRoute[] = [
    ...hosts.map((host) => plainRoute(host, [backend])),
    ...paths.map((path) => plainRoute('bad.test', [backend], path)),
    ...addresses.map((address) => plainRoute('bad.test', [{ address, port: 80 }])),
    ...[0, -1, 65_536, 1.5, Number.NaN].map((port) =>
      plainRoute('bad.test', [{ address: '10.0.0.1', port }]),
    ),
    ...[0, 257, 1.5].map((weight) => ({
      ...plainRoute('bad.test', []),
      backends: [{ ...ready(backend), weight }],
    })),
  ];
  const problems = await ingress.setRoutes([...hostile, plainRoute('good.test', [backend])]);
  const accepted = hostile.filter((route) => !problems.some((problem) => problem.route === route));
  assert.deepEqual(accepted, []);
  for (const { message } of problems) {
    assert.match(message, /\.$/);
    assert.doesNotMatch(message, /[\n\r\0]/);
  }
  assert.equal((await ask(url, 'good.test')).backend, 'one');
  assert.equal((await ask(url, 'bad.test')).status, 404);
});

test('a thousand routes are served; others, and a second route of the same name, are described', {
  skip: unlessRoot(),
}, async (t) => {
  const { ingress, url } = await startIngress(t);
  const backend = await startWebBackend(t, 'one');
  const routes = Array.from({ length: 1_001 }, (_, index) => plainRoute(`h${index}.test`, [backend]));
  const problems = await ingress.setRoutes([...routes.slice(0, 1), ...routes]);
  assert.deepEqual(
    problems.map(({ message }) => message),
    ['another route already leads from h0.test/.', 'a host serves at most 1000 routes.'],
  );
  for (const host of ['h0.test', 'h999.test']) assert.equal((await ask(url, host)).backend, 'one');
  assert.equal((await ask(url, 'h1000.test')).status, 404);
  await ingress.setRoutes([plainRoute('last.test', [backend])]);
  assert.equal((await ask(url, 'h0.test')).status, 404);
  assert.equal((await ask(url, 'last.test')).backend, 'one');
});

test('requests are spread by weight', { skip: unlessRoot() }, async (t) => {
  const { ingress, url } = await startIngress(t);
  const [heavy, light] = [await startWebBackend(t, 'heavy'), await startWebBackend(t, 'light')];
  const route = (weight: number) => ({
    ...plainRoute('shop.test', []),
    backends: [
      { ...ready(heavy), weight: 200 },
      { ...ready(light), weight },
    ],
  });
  const share = async () => {
    let count = 0;
    for (let index = 0; index < 44; index += 1) {
      if ((await ask(url, 'shop.test')).backend === 'light') count += 1;
    }
    return count;
  };
  await ingress.setRoutes([route(20)]);
  const before = await share();
  await ingress.setRoutes([route(200)]);
  const after = await share();
  assert.ok(before >= 1 && before <= 10, `${before} of 44`);
  assert.ok(after >= 15 && after <= 29, `${after} of 44`);
});

test('the folder and the admin socket are private; a port that is taken is named', {
  skip: unlessRoot(),
}, async (t) => {
  const { folder, ingress, plainPort } = await startIngress(t);
  assert.equal((await stat(folder)).mode & 0o777, 0o700);
  for (const name of ['worker.sock', 'master.sock', 'haproxy.cfg', 'plain.map', 'answers.map']) {
    assert.equal((await stat(join(folder, name))).mode & 0o777, 0o600, name);
  }
  const backend = await startWebBackend(t, 'one');
  const taken = await startWebBackend(t, 'taken', '0.0.0.0');
  const [problem] = await ingress.setRoutes([{ kind: 'tcp', port: plainPort, backends: [ready(backend)] }]);
  assert.match(problem?.message ?? '', /the ingress itself listens on port/);
  await assert.rejects(
    ingress.setRoutes([{ kind: 'tcp', port: taken.port, backends: [ready(backend)] }]),
    (error) => error instanceof IngressError && error.message.includes(`:${taken.port}`),
  );
  await assert.rejects(ingress.drained({ address: 'x', port: 1 }, { timeout: 1 }, signal), IngressError);
});
