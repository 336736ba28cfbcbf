import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { createSecureContext, createServer as createSecureServer } from 'node:tls';
import { getRange } from '../../../../../storage/blobs/s3/get-range.ts';
import { rawGet } from '../../../../../storage/blobs/s3/range-request.ts';
import { makeCertificate } from '../../../../support/certificates.ts';
import { makeTempDir } from '../../../../support/temp-dir.ts';

const RANGE = { size: 10, range: { start: 0, end: 9 } };

describe('heads of objects that come byte by byte for ever', { timeout: 120_000 }, () => {
  it('are given up, plain', async (t) => {
    const port = await listen(t, createServer(trickle));
    assert.equal(await rawGet({ url: `http://127.0.0.1:${port}/x`, ...RANGE }, 300, t.signal), undefined);
  });

  it('are given up, with TLS', async (t) => {
    const files = await makeCertificate(await makeTempDir(t, 'certificate'));
    const [key, cert] = await Promise.all([readFile(files.key), readFile(files.certificate)]);
    const port = await listen(t, createSecureServer({ key, cert }, trickle));
    const trusted = createSecureContext({ ca: cert });
    const url = `https://127.0.0.1:${port}/x`;
    assert.equal(await getRange({ url, ...RANGE }, trusted, 300, t.signal), undefined);
  });
});

function trickle(socket: Socket): void {
  socket.on('error', () => undefined).write('HTTP/1.1 206 Partial Content\r\nx: ');
  const timer = setInterval(() => socket.write('y'), 20);
  socket.once('close', () => clearInterval(timer));
}

async function listen(t: TestContext, server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}
