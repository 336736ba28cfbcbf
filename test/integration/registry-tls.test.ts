import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { makeCertificate } from '../support/certificates.ts';
import { freePort } from '../support/free-port.ts';
import { imageFolder } from '../support/image-cache.ts';
import { startProcess } from '../support/managed-process.ts';
import { REGISTRY_PROGRAM } from '../support/programs.ts';
import { connectRaw } from '../support/raw-connection.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { makeBusyboxImage } from '../support/test-images.ts';
import { waitUntil } from '../support/wait-until.ts';

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

describe('TLS', { timeout: 900_000 }, async () => {
  const scope = { after };
  const folder = await makeTempDir(scope, 'tls');
  const files = await makeCertificate(folder);
  const ca = await readFile(files.certificate);
  const data = join(folder, 'data');
  const tls = ['--tls-cert', files.certificate, '--tls-key', files.key];
  const redirectPort = await freePort();
  const registry = startProcess(scope, process.execPath, [
    ...[REGISTRY_PROGRAM, 'serve', '--listen', '127.0.0.1:0', '--data', data, '--auth', 'none', ...tls],
    ...['--http-redirect', `127.0.0.1:${redirectPort}`],
  ]);
  const [, port] = await registry.waitForLine(/berth is ready: https:\/\/127\.0\.0\.1:(\d+)/);

  const call = (method: string, path: string, body?: Buffer): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const sent = (path.startsWith('http:') ? request : secureRequest)(
        path.startsWith('http') ? path : `https://127.0.0.1:${port}${path}`,
        { method, ca, ...(body && { headers: { 'Content-Length': body.length } }) },
        (res) => {
          const chunks: Buffer[] = [];
          res.on('data', (chunk) => chunks.push(chunk));
          res.on('end', () =>
            resolve({ status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks) }),
          );
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });

  test('uploads, downloads and their addresses', async () => {
    const content = Buffer.alloc(8 << 20, 'sealed');
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
    const begun = await call('POST', '/v2/team/app/blobs/uploads/');
    assert.equal(begun.status, 202);
    const location = String(begun.headers.location);
    const target = new URL(location, `https://127.0.0.1:${port}`);
    assert.equal(target.protocol, 'https:');
    const stored = await call('PUT', `${target.pathname}?digest=${digest}`, content);
    assert.equal(stored.status, 201);
    const got = await call('GET', `/v2/team/app/blobs/${digest}`);
    assert.equal(got.status, 200);
    assert.ok(got.body.equals(content));
    assert.equal(got.headers['strict-transport-security'], 'max-age=31536000');
  });

  test('a client of plain HTTP is told to use HTTPS, and others are served', async () => {
    for (const path of ['/v2/', `/v2/${'long/'.repeat(2000)}x/tags/list`]) {
      const answer = await call('GET', `http://127.0.0.1:${port}${path}`);
      assert.equal(answer.status, 400);
      assert.match(answer.body.toString(), /this port speaks HTTPS: use https:\/\//);
    }
    assert.equal((await call('GET', '/v2/')).status, 200);
  });

  test('skopeo pushes and pulls; answers from memory say the same', async () => {
    const layout = await makeBusyboxImage(await imageFolder(scope));
    const trusted = join(folder, 'certs');
    await mkdir(trusted);
    await copyFile(files.certificate, join(trusted, 'ca.crt'));
    const image = `docker://127.0.0.1:${port}/team/busybox:1`;
    const back = `oci:${join(folder, 'back')}:1`;
    await runCommand('skopeo', ['copy', '-q', '--dest-cert-dir', trusted, `oci:${layout.layout}`, image]);
    await runCommand('skopeo', ['copy', '-q', '--src-cert-dir', trusted, image, back]);
    for (let turn = 0; turn < 2; turn++) {
      const manifest = await call('GET', '/v2/team/busybox/manifests/1');
      assert.equal(manifest.status, 200);
      assert.equal(manifest.headers['strict-transport-security'], 'max-age=31536000');
    }
  });

  test('clients of plain HTTP are sent on, to the host that they asked for', async () => {
    const answer = await call('GET', `http://127.0.0.1:${redirectPort}/v2/team/app/tags/list?n=2`);
    assert.equal(answer.status, 308);
    assert.equal(answer.headers.location, `https://127.0.0.1:${port}/v2/team/app/tags/list?n=2`);
    const followed = await call('GET', String(answer.headers.location));
    assert.equal(followed.status, 200);
    const strange = await new Promise<number>((resolve, reject) => {
      const sent = request(
        { host: '127.0.0.1', port: redirectPort, path: '/v2/', headers: { Host: 'a.example/b@c' } },
        (res) => resolve(res.resume().statusCode ?? 0),
      );
      sent.on('error', reject);
      sent.end();
    });
    assert.equal(strange, 400);
    assert.equal(answer.headers['x-content-type-options'], 'nosniff');
    for (const request of ['GET / HTTP/1.1\r\n\r\n', 'nonsense\r\n\r\n']) {
      const connection = await connectRaw(scope, redirectPort);
      connection.write(request);
      await connection.waitFor(/^HTTP\/1\.1 400 .*x-content-type-options: nosniff\r\n/is);
    }
  });

  test('a new certificate is taken up without a restart; a bad one is not', async () => {
    const shown = () =>
      new Promise<string>((resolve, reject) => {
        const socket = connect({ host: '127.0.0.1', port: Number(port), rejectUnauthorized: false }, () => {
          resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? '');
          socket.destroy();
        });
        socket.on('error', reject);
      });
    const first = await shown();
    await writeFile(files.certificate, 'half a file');
    await registry.waitForLine(/the last good certificate stays in use/);
    assert.equal(await shown(), first);
    await makeCertificate(folder);
    const { fingerprint256 } = new X509Certificate(await readFile(files.certificate));
    await waitUntil('the new certificate is shown', async () => (await shown()) === fingerprint256);
    assert.notEqual(fingerprint256, first);
  });

  const refused: readonly (readonly [readonly string[], RegExp])[] = [
    [['--tls-cert', files.certificate], /--tls-cert needs both --tls-cert and --tls-key/],
    [['--http-redirect', '127.0.0.1:0'], /--http-redirect needs both/],
    [['--tls-cert', files.key, '--tls-key', files.key], /are not a certificate and its private key/],
    [['--tls-cert', join(folder, 'nosuch'), '--tls-key', files.key], /nosuch cannot be read \(ENOENT\)/],
  ];
  for (const [args, message] of refused) {
    test(`refuses ${args.join(' ').replaceAll(folder, '')}`, async () => {
      const { exitCode, stderr } = await runCommand(
        process.execPath,
        [REGISTRY_PROGRAM, 'serve', '--listen', '127.0.0.1:0', '--data', join(folder, 'other'), ...args],
        { expectExit: 'any' },
      );
      assert.equal(exitCode, 2);
      assert.match(stderr, message);
    });
  }
});
