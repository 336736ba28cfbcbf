import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSecureContext } from 'node:tls';
import {
  BULK_BLOCK,
  type BulkRequest,
  bulkGet,
  readResponseHead,
} from '../../../../oci/distribution/bulk-get.ts';
import { makeCertificate } from '../../../support/certificates.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const content = randomBytes(5 * BULK_BLOCK + 4321);

describe('heads of answers with much behind them', () => {
  it('are read where they are plain', () => {
    assert.deepEqual(readResponseHead('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Some:  a: b \r\nEmpty:'), {
      status: 200,
      headers: { 'content-length': '5', 'x-some': 'a: b', empty: '' },
      length: 5,
    });
    assert.equal(
      readResponseHead('HTTP/1.1 307\r\nlocation: /x\r\ncontent-length: 0')?.headers.location,
      '/x',
    );
    assert.equal(readResponseHead('HTTP/1.1 206 Partial Content\r\ncontent-length: 7')?.length, 7);
  });

  it('are left to others where they are anything else', () => {
    for (const head of [
      '',
      'HTTP/1.0 200 OK\r\ncontent-length: 5',
      'HTTP/1.1 404 Not Found\r\ncontent-length: 5',
      'HTTP/1.1 100 Continue\r\ncontent-length: 5',
      'HTTP/1.1 200 OK',
      'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6',
      'HTTP/1.1 200 OK\r\ncontent-length: -5',
      'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked',
      'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-encoding: gzip',
      'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n folded: x',
      'HTTP/1.1 200 OK\r\ncontent-length: 5\r\nno colon',
    ]) {
      assert.equal(readResponseHead(head), undefined, head);
    }
  });
});

describe('bulkGet', () => {
  it('brings a body byte for byte, and each chunk stays as it is until the next is asked for', async (t) => {
    const asked: unknown[] = [];
    const url = await serve(t, (request, response) => {
      asked.push([request.method, request.url, request.headers.host, request.headers.range]);
      response.writeHead(206, { 'content-length': content.length, 'content-range': 'bytes 0-1/2' });
      for (let at = 0; at < content.length; at += 77_777) response.write(content.subarray(at, at + 77_777));
      response.end();
    });
    for (const pause of [0, 1]) {
      const answer = await get(t, url, { headers: { range: 'bytes=0-' } });
      assert.equal(answer?.status, 206);
      assert.equal(answer?.headers['content-range'], 'bytes 0-1/2');
      const hash = createHash('sha256');
      for await (const chunk of answer?.body ?? []) {
        const before = createHash('sha256').update(chunk).digest('hex');
        if (pause > 0) await sleep(pause);
        assert.equal(createHash('sha256').update(chunk).digest('hex'), before);
        hash.update(chunk);
      }
      assert.equal(hash.digest('hex'), createHash('sha256').update(content).digest('hex'));
    }
    assert.deepEqual(asked, Array(2).fill(['GET', '/blob?a=b', url.host, 'bytes=0-']));
  });

  it('reads a head that comes byte by byte, and no more of the body than was said', async (t) => {
    const url = await serveRaw(t, async (socket) => {
      for (const byte of 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n') {
        socket.write(byte);
        await new Promise((resolve) => setImmediate(resolve));
      }
      socket.end('body and what nobody asked for');
    });
    assert.equal((await readAll(await get(t, url))).toString(), 'body');
    const empty = await serveRaw(t, (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'));
    assert.equal((await readAll(await get(t, empty))).length, 0);
  });

  it('leaves to others what it does not understand, and lets go of the connection', async (t) => {
    for (const answer of [
      'HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n',
      'SSH-2.0-server\r\n\r\n',
      `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(2 * BULK_BLOCK)}`,
    ]) {
      const closed = Promise.withResolvers<void>();
      const url = await serveRaw(t, (socket) => {
        socket.on('close', () => closed.resolve());
        socket.write(answer);
      });
      assert.equal(await get(t, url), undefined);
      await closed.promise;
    }
  });

  it('fails as the connection does', async (t) => {
    const cut = await serveRaw(t, (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nfew'));
    await assert.rejects(readAll(await get(t, cut)), { code: 'ECONNRESET' });
    const silent = await serveRaw(t, (socket) => socket.destroy());
    await assert.rejects(get(t, silent), { code: 'ECONNRESET' });
    const slow = await serveRaw(t, () => undefined);
    await assert.rejects(get(t, slow, { timeout: 50 }), /no answer for 0.05 seconds/);
    const { port } = new URL(slow);
    await assert.rejects(get(t, new URL(`http://127.0.0.1:${port}/`), { headers: { x: 'a\r\nb: c' } }), {
      code: 'ERR_INVALID_CHAR',
    });
    await assert.rejects(get(t, new URL('http://127.0.0.1:1/')), { code: 'ECONNREFUSED' });
  });

  it('waits for a head no longer than the whole of it may take, however its bytes come', async (t) => {
    const url = await serveRaw(t, (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nx: ');
      const trickle = setInterval(() => socket.write('y'), 20);
      socket.once('close', () => clearInterval(trickle));
    });
    await assert.rejects(get(t, url, { headTimeout: 300 }), /no answer for 0.3 seconds/);
    const prompt = await serveRaw(t, async (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbo');
      await sleep(600);
      socket.end('dy');
    });
    // The body has a time of its own. Where the head itself comes late there is nothing to be seen.
    const answer = await get(t, prompt, { headTimeout: 500 }).catch(() => undefined);
    if (answer !== undefined) assert.equal((await readAll(answer)).toString(), 'body');
  });

  it('ends when it is told to, before and within the body', async (t) => {
    const reason = new Error('the client has gone');
    const url = await serve(t, (_, response) => {
      response.writeHead(200, { 'content-length': content.length });
      response.write(content.subarray(0, 100_000));
    });
    await assert.rejects(get(t, url, { signal: AbortSignal.abort(reason) }), reason);
    const controller = new AbortController();
    const answer = await get(t, url, { signal: controller.signal });
    await assert.rejects(async () => {
      for await (const _ of answer?.body ?? []) controller.abort(reason);
    });
    const given = await get(t, url);
    const read = readAll(given);
    given?.body.destroy(reason);
    await assert.rejects(read, reason);
  });

  it('brings a body over TLS byte for byte to a slow reader: what is decrypted comes whether or not there is room', async (t) => {
    const files = await makeCertificate(await makeTempDir(t, 'certificate'));
    const [key, cert] = await Promise.all([readFile(files.key), readFile(files.certificate)]);
    const server = createSecureServer({ key, cert }, (_, response) => {
      response.writeHead(200, { 'content-length': content.length });
      response.end(content);
    });
    const url = new URL(`https://127.0.0.1:${await listen(t, server)}/`);
    const expected = createHash('sha256').update(content).digest('hex');
    for (let round = 0; round < 10; round += 1) {
      const answer = await get(t, url, { trusted: createSecureContext({ ca: cert }) });
      const hash = createHash('sha256');
      for await (const chunk of answer?.body ?? []) {
        hash.update(chunk);
        await sleep(round);
      }
      assert.equal(hash.digest('hex'), expected, `round ${round}`);
    }
  });

  it('asks over TLS those alone who are trusted', async (t) => {
    const files = await makeCertificate(await makeTempDir(t, 'certificate'));
    const [key, cert] = await Promise.all([readFile(files.key), readFile(files.certificate)]);
    const server = createSecureServer({ key, cert }, (_, response) => {
      response.writeHead(200, { 'content-length': content.length }).end(content);
    });
    const port = await listen(t, server);
    const url = new URL(`https://127.0.0.1:${port}/`);
    const trusted = createSecureContext({ ca: cert });
    assert.ok((await readAll(await get(t, url, { trusted }))).equals(content));
    await assert.rejects(get(t, url, { trusted: createSecureContext({ ca: [] }) }), {
      code: /SELF_SIGNED_CERT|UNABLE_TO/,
    });
    assert.ok((await readAll(await get(t, url))).equals(content), 'anybody where no one is to be trusted');
  });
});

function get(t: TestContext, url: URL, more: Partial<BulkRequest> = {}) {
  return bulkGet({ url, headers: {}, timeout: 120_000, headTimeout: 120_000, signal: t.signal, ...more });
}

async function readAll(answer: Awaited<ReturnType<typeof bulkGet>>): Promise<Buffer> {
  assert.ok(answer !== undefined);
  const chunks: Buffer[] = [];
  for await (const chunk of answer.body) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

async function serve(t: TestContext, listener: RequestListener): Promise<URL> {
  return new URL(`http://127.0.0.1:${await listen(t, createServer(listener))}/blob?a=b`);
}

async function serveRaw(t: TestContext, answer: (socket: Socket) => unknown): Promise<URL> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => answer(socket));
  });
  return new URL(`http://127.0.0.1:${await listen(t, server)}/`);
}

async function listen(t: TestContext, server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}
