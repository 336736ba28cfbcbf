import assert from 'node:assert/strict';
import { connect as connectSocket } from 'node:net';
import { after, describe, test } from 'node:test';
import { plainRoute, startIngress } from '../support/ingress.ts';
import { connectRaw } from '../support/raw-connection.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';
import { startWebBackend } from '../support/web-backend.ts';

const HEAD = 'Host: shop.test\r\nConnection: close\r\n';
const FORM = 'Host: shop.test\r\n';
/** What a request that hides in another one's body asks for. */
const HIDDEN = 'GET /hidden HTTP/1.1\r\nHost: shop.test\r\n\r\n';

describe('an ingress with apps of strangers', { skip: unlessRoot() }, async () => {
  const scope = { after };
  const { ingress, plainPort } = await startIngress(scope);
  const [root, part, other] = await Promise.all(
    ['root', 'part', 'other'].map((name) => startWebBackend(scope, name)),
  );
  assert.ok(root && part && other);
  await ingress.setRoutes([
    plainRoute('shop.test', [root]),
    plainRoute('shop.test', [part], '/public'),
    plainRoute('part.test', [part], '/public'),
    plainRoute('*.wild.test', [other]),
  ]);
  const backends = [root, part, other];
  const count = () => backends.reduce((sum, backend) => sum + backend.requests(), 0);

  /** Sends exact bytes and its end; answers the statuses, all that came, and how many requests arrived at a backend. */
  const send = async (bytes: string) => {
    const before = count();
    const connection = await connectRaw(scope, plainPort);
    connection.write(Buffer.from(bytes, 'latin1'));
    connection.socket.end();
    await connection.closed();
    const text = connection.received();
    return {
      text,
      statuses: [...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status)),
      backend: /^x-backend: (.*)$/m.exec(text)?.[1]?.trim(),
      isHidden: text.includes('"url":"/hidden"'),
      arrived: count() - before,
    };
  };

  const chunked = (coding: string, body = `0\r\n\r\n${HIDDEN}`) =>
    `POST / HTTP/1.1\r\n${FORM}${coding}\r\n\r\n${body}`;
  for (const [what, bytes, most] of [
    ['two lengths', chunked('Content-Length: 0\r\nContent-Length: 40', HIDDEN), 0],
    ['a list of lengths', chunked('Content-Length: 0, 40', HIDDEN), 0],
    ['a signed length', chunked('Content-Length: +40', HIDDEN), 0],
    ['an empty length', chunked('Content-Length: ', HIDDEN), 0],
    ['a length in hex', chunked('Content-Length: 0x28', HIDDEN), 0],
    ['a length of many digits', chunked('Content-Length: 18446744073709551617', HIDDEN), 0],
    ['a length and chunks', chunked('Content-Length: 40\r\nTransfer-Encoding: chunked'), 1],
    ['chunks and a length', chunked('Transfer-Encoding: chunked\r\nContent-Length: 5'), 1],
    ['a coding that is none', chunked('Transfer-Encoding: xchunked'), 0],
    ['chunked twice', chunked('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked'), 0],
    ['chunked before the last', chunked('Transfer-Encoding: chunked, identity'), 0],
    ['a vertical tab before chunked', chunked('Transfer-Encoding: \x0bchunked'), 0],
    ['a space before the colon', chunked('Transfer-Encoding : chunked'), 0],
    ['a size that is none', chunked('Transfer-Encoding: chunked', `0x0\r\n\r\n${HIDDEN}`), 1],
    ['a negative size', chunked('Transfer-Encoding: chunked', `-1\r\n\r\n${HIDDEN}`), 1],
    ['a size of many digits', chunked('Transfer-Encoding: chunked', `${'f'.repeat(17)}\r\n${HIDDEN}`), 1],
    ['a NUL in a header', chunked('X: a\0b\r\nContent-Length: 0', HIDDEN), 0],
    ['a bare CR in a header', chunked(`X: a\rTransfer-Encoding: chunked\r\nContent-Length: 0`, HIDDEN), 0],
    [
      'chunks of HTTP/1.0',
      `POST / HTTP/1.0\r\n${FORM}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
      1,
    ],
  ] as const) {
    test(`hides no request behind ${what}`, async () => {
      const { arrived, isHidden, text } = await send(bytes);
      assert.ok(arrived <= most, `${arrived} requests: ${text}`);
      assert.ok(!isHidden, text);
    });
  }

  test('reads lines that end in LF alone, and headers of several lines, as one request', async () => {
    for (const bytes of [
      `GET / HTTP/1.1\nHost: shop.test\nConnection: close\n\n`,
      `GET / HTTP/1.1\r\n${HEAD}X-Long: a\r\n Transfer-Encoding: chunked\r\n\r\n`,
    ]) {
      const { arrived, statuses } = await send(bytes);
      assert.ok(arrived === (statuses[0] === 200 ? 1 : 0) && statuses.length === 1, bytes);
    }
  });

  for (const [host, status, backend] of [
    ['shop.test', 200, 'root'],
    ['SHOP.test.:8080', 200, 'root'],
    ['shop.test/public', 400],
    ['part.test/public', 400],
    ['part.test/public/', 400],
    ['user@shop.test', 400],
    ['shop.test@evil.test', 400],
    ['shop.test evil.test', 400],
    ['shop.test,evil.test', 400],
    ['shop.test%2fpublic', 400],
    ['shop.test?', 400],
    ['evil/.wild.test', 400],
    ['evil.test/.wild.test', 400],
    ['blue.wild.test', 200, 'other'],
    ['*.wild.test', 400],
    ['127.0.0.1', 404],
    ['[::1]:80', 404],
    ['', 404],
  ] as const) {
    test(`answers ${status} for the host ${JSON.stringify(host)}`, async () => {
      const answer = await send(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      assert.deepEqual([answer.statuses, answer.backend], [[status], backend], answer.text);
    });
  }

  test('believes one host of a request', async () => {
    const lines = async (target: string, ...headers: readonly string[]) =>
      send(`${target} HTTP/1.1\r\n${headers.map((line) => `${line}\r\n`).join('')}Connection: close\r\n\r\n`);
    assert.deepEqual((await lines('GET /', 'Host: shop.test', 'Host: blue.wild.test')).statuses, [400]);
    assert.deepEqual((await lines('GET http://blue.wild.test/', 'Host: shop.test')).statuses, [400]);
    assert.equal((await lines('GET http://shop.test/public', 'Host: shop.test')).backend, 'part');
    for (const target of ['CONNECT shop.test:80', 'OPTIONS *', 'GET *', 'GET shop.test/'])
      assert.equal((await lines(target, 'Host: shop.test')).arrived, 0, target);
  });

  for (const [path, backend] of [
    ['/public', 'part'],
    ['/public/', 'part'],
    ['/public/@scope%2fname', 'part'],
    ['/public/...', 'part'],
    ['/public/.well-known/x', 'part'],
    ['/public/a..b', 'part'],
    ['/public/?next=/../admin', 'part'],
    ['/public;x', 'root'],
    ['/Public', 'root'],
    ['//public', 'root'],
    ['/%70ublic', 'root'],
    ['/public%2fadmin', 'root'],
    ['/public/..', undefined],
    ['/public/../admin', undefined],
    ['/public/%2e%2e/admin', undefined],
    ['/public/.%2E/admin', undefined],
    ['/public/..%2fadmin', undefined],
    ['/public/..%5Cadmin', undefined],
    ['/public/..\\admin', undefined],
    ['/public/..;/admin', undefined],
    ['/public/..%3bx/admin', undefined],
    ['/public/x%2f%2e%2e%2f%2e%2e%2fadmin', undefined],
    ['/public/%2e%2e/admin%zz', undefined],
    ['/public/./admin', undefined],
    ['/x/../public', undefined],
  ] as const) {
    test(`leads ${path} to ${backend ?? 'nobody: it may be another path for an app'}`, async () => {
      const answer = await send(`GET ${path} HTTP/1.1\r\n${HEAD}\r\n`);
      assert.deepEqual(
        [answer.statuses, answer.backend],
        backend === undefined ? [[400], undefined] : [[200], backend],
        answer.text,
      );
    });
  }

  test('tells an app of its client by no header of that client', async () => {
    const names = [
      'X-Forwarded-For',
      'x_forwarded_for',
      'X-Forwarded_Proto',
      'X_Forwarded-Host',
      'X-Forwarded',
      'X_Real_IP',
      'X-Real_IP',
      'Forwarded',
      'Proxy',
    ];
    const { text } = await send(
      `GET / HTTP/1.1\r\n${HEAD}${names.map((name) => `${name}: 6.6.6.6\r\n`).join('')}\r\n`,
    );
    assert.doesNotMatch(text, /6\.6\.6\.6/);
    assert.match(text, /"x-forwarded-for":"127\.0\.0\.1"/);
  });

  test('takes headers of 8 KB, and refuses those of 64 KB', async () => {
    const cookie = (size: number) => `GET / HTTP/1.1\r\n${HEAD}Cookie: ${'c'.repeat(size)}\r\n\r\n`;
    assert.deepEqual((await send(cookie(8_000))).statuses, [200]);
    const refused = await send(cookie(64_000));
    assert.deepEqual([refused.arrived, refused.statuses.every((status) => status >= 400)], [0, true]);
  });

  test('answers a client that has closed its half', async () => {
    const { statuses, backend } = await send(`GET /?ms=300 HTTP/1.1\r\n${HEAD}\r\n`);
    assert.deepEqual([statuses, backend], [[200], 'root']);
  });

  test('leaves others their connections when one client takes as many as it can', async () => {
    // The proxy of this test takes 2,000 at once, which say nothing for ten seconds.
    let refused = 0;
    const silent = Array.from({ length: 2_100 }, () => {
      const socket = connectSocket({ host: '127.0.0.1', port: plainPort });
      socket.on('error', () => undefined);
      socket.once('close', () => {
        refused += socket.bytesRead === 0 ? 1 : 0;
      });
      return socket.resume();
    });
    try {
      await waitUntil('the client has half of them', () => refused >= 1_100);
      const other = await connectRaw(scope, plainPort, '127.0.0.2');
      other.write(`GET / HTTP/1.1\r\n${HEAD}\r\n`);
      await other.waitFor(/^HTTP\/1\.1 200/);
    } finally {
      for (const socket of silent) socket.destroy();
    }
  });
});
