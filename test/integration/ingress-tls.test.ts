import assert from 'node:assert/strict';
import { copyFile, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { pino } from 'pino';
import { WebSocket } from 'ws';
import type { TlsSpec } from '../../fleet/service.ts';
import type { HttpRoute, RouteTls } from '../../runtime-agent/fleet/ingress/ingress.ts';
import { IngressRoutes } from '../../runtime-agent/fleet/ingress-routes.ts';
import type { RoutedInstance } from '../../runtime-agent/fleet/instance-routes.ts';
import { makeCertificate, type TestCertificate } from '../support/certificate-authority.ts';
import { sendRequest } from '../support/http-client.ts';
import { plainRoute, proxyPids, startIngress } from '../support/ingress.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { type SeenRequest, startWebBackend } from '../support/web-backend.ts';

/** A client that trusts one authority and asks for a name. */
async function client({ authority }: TestCertificate, port: number) {
  const ca = await readFile(authority);
  const options = (host: string) => ({ host: '127.0.0.1', port, ca, servername: host });
  return {
    get: (host: string, path = '/') =>
      new Promise<{ status: number; backend: string; seen: SeenRequest }>((resolve, reject) => {
        const sent = request({ ...options(host), path, agent: false, headers: { host } }, (response) => {
          let body = '';
          response.on('data', (chunk) => {
            body += chunk;
          });
          response.once('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              backend: String(response.headers['x-backend']),
              seen: response.statusCode === 200 ? JSON.parse(body) : undefined,
            }),
          );
        });
        sent.once('error', reject);
        sent.end();
      }),
    serial: (host: string) =>
      new Promise<string>((resolve, reject) => {
        const socket = connect(options(host), () => {
          resolve(socket.getPeerCertificate().serialNumber);
          socket.destroy();
        });
        socket.once('error', reject);
      }),
    http2: (host: string) =>
      new Promise<string>((resolve, reject) => {
        const session = connectHttp2(`https://${host}`, {
          createConnection: () => connect({ ...options(host), ALPNProtocols: ['h2'] }),
        });
        session.once('error', reject);
        const stream = session.request({ ':path': '/', ':authority': host });
        stream.once('error', reject);
        stream.once('response', (headers) => {
          resolve(String(headers['x-backend']));
          session.destroy();
        });
        stream.resume();
      }),
    webSocket: (host: string) =>
      new Promise<string>((resolve, reject) => {
        const socket = new WebSocket(`wss://127.0.0.1:${port}/`, {
          agent: new Agent({ ca, servername: host }),
          headers: { host },
        });
        socket.once('error', reject);
        socket.once('open', () => socket.send('hello'));
        socket.once('message', (message) => {
          resolve(String(message));
          socket.terminate();
        });
      }),
  };
}

function tlsRoute(host: string, tls: RouteTls, port: number): HttpRoute {
  return { ...plainRoute(host, [{ address: '127.0.0.1', port }]), tls };
}

async function expired(t: TestContext): Promise<RouteTls> {
  const folder = await makeTempDir(t, 'expired');
  const [certificate, key] = [join(folder, 'crt'), join(folder, 'key')];
  await runCommand('openssl', [
    ...[
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-subj',
      '/CN=a',
    ],
    ...['-addext', 'subjectAltName=DNS:a.test', '-not_before', '20200101000000Z'],
    ...['-not_after', '20210101000000Z', '-keyout', key, '-out', certificate],
  ]);
  return { kind: 'files', certificate, key };
}

async function asSecret({ certificate, key }: TestCertificate): Promise<RouteTls> {
  return {
    kind: 'secret',
    certificate: await readFile(certificate, 'utf8'),
    key: await readFile(key, 'utf8'),
  };
}

test('certificates of files and secrets: HTTP/1.1, HTTP/2 and WebSockets; plain HTTP redirects', {
  skip: unlessRoot(),
}, async (t) => {
  const { ingress, url, securePort, folder } = await startIngress(t);
  const [one, two] = [await startWebBackend(t, 'one'), await startWebBackend(t, 'two')];
  const files = await makeCertificate(t, ['files.test', '*.files.test']);
  const secret = await makeCertificate(t, ['secret.test']);
  const pids = await proxyPids(folder);
  const problems = await ingress.setRoutes([
    tlsRoute('files.test', { kind: 'files', certificate: files.certificate, key: files.key }, one.port),
    tlsRoute('*.files.test', { kind: 'files', certificate: files.certificate, key: files.key }, two.port),
    tlsRoute('secret.test', await asSecret(secret), two.port),
    plainRoute('plain.test', [one]),
  ]);
  assert.deepEqual(problems, []);
  const [ofFiles, ofSecret] = [await client(files, securePort), await client(secret, securePort)];
  const { seen, ...answer } = await ofFiles.get('files.test');
  assert.deepEqual(answer, { status: 200, backend: 'one' });
  assert.equal(seen.headers['x-forwarded-proto'], 'https');
  assert.equal(seen.headers['x-forwarded-port'], String(securePort));
  assert.equal((await ofFiles.get('a.files.test')).backend, 'two');
  assert.equal(await ofFiles.http2('files.test'), 'one');
  assert.equal(await ofFiles.webSocket('files.test'), 'one: hello');
  assert.equal((await ofSecret.get('secret.test')).backend, 'two');
  // Neither a name without a certificate nor a route of plain HTTP is answered.
  await assert.rejects(ofFiles.get('plain.test'), /unrecognized name/);
  const redirect = await sendRequest(`${url}/a?b=c`, { headers: { host: 'files.test' } });
  assert.equal(redirect.status, 308);
  assert.equal(redirect.headers.location, `https://files.test:${securePort}/a?b=c`);

  await ingress.setRoutes([plainRoute('files.test', [one])]);
  await assert.rejects(ofFiles.get('files.test'), /unrecognized name/);
  assert.equal((await sendRequest(url, { headers: { host: 'files.test' } })).status, 200);
  assert.deepEqual(await proxyPids(folder), pids);
});

test('a certificate is replaced without a cut; a broken one leaves the last good one', {
  skip: unlessRoot(),
}, async (t) => {
  const { ingress, securePort } = await startIngress(t);
  const backend = await startWebBackend(t, 'one');
  const [first, second] = [await makeCertificate(t, ['shop.test']), await makeCertificate(t, ['shop.test'])];
  const tls = { kind: 'files', certificate: first.certificate, key: first.key } as const;
  const set = () => ingress.setRoutes([tlsRoute('shop.test', tls, backend.port)]);
  assert.deepEqual(await set(), []);
  const serial = await (await client(first, securePort)).serial('shop.test');
  await writeFile(`${tls.certificate}.new`, await readFile(second.certificate));
  await rename(`${tls.certificate}.new`, tls.certificate);
  // The key is still that of the first.
  const [problem] = await set();
  assert.match(problem?.message ?? '', /the key does not belong to the certificate/);
  assert.equal(await (await client(first, securePort)).serial('shop.test'), serial);
  await writeFile(tls.key, await readFile(second.key));
  assert.deepEqual(await set(), []);
  assert.notEqual(await (await client(second, securePort)).serial('shop.test'), serial);
});

test('certificates that cannot be used are described, and other routes are served', {
  skip: unlessRoot(),
}, async (t) => {
  const { ingress, url, securePort } = await startIngress(t);
  const backend = await startWebBackend(t, 'one');
  const good = await makeCertificate(t, ['good.test', 'a.test']);
  const { certificate, key } = (await asSecret(good)) as RouteTls & { readonly kind: 'secret' };
  const table: readonly (readonly [RouteTls, RegExp])[] = [
    [{ kind: 'secret', certificate, key }, /not for other\.test/],
    [{ kind: 'secret', certificate: '', key }, /no PEM certificate/],
    [{ kind: 'secret', certificate: key, key }, /no PEM certificate/],
    [{ kind: 'secret', certificate, key: certificate }, /not a PEM private key/],
    [{ kind: 'secret', certificate: certificate.replace('MI', 'XX'), key }, /cannot be read/],
    [{ kind: 'secret', certificate: certificate.repeat(40), key }, /more than 15000 bytes/],
    [
      { kind: 'files', certificate: '/nowhere/a', key: '/nowhere/b' },
      /\/nowhere\/[ab] cannot be read \(ENOENT\)/,
    ],
    [{ kind: 'files', certificate: '/dev/zero', key: '/etc/shadow' }, /\/dev\/zero is not a file/],
    [{ kind: 'acme' }, /no authority/],
    [await expired(t), /its certificate has expired on 20/],
  ];
  for (const [tls, expected] of table) {
    const host = expected.source.startsWith('not for') ? 'other.test' : 'a.test';
    const [problem, ...more] = await ingress.setRoutes([
      tlsRoute(host, tls, backend.port),
      tlsRoute('good.test', { kind: 'secret', certificate, key }, backend.port),
    ]);
    assert.match(problem?.message ?? '', expected);
    assert.doesNotMatch(problem?.message ?? '', /BEGIN|root:/);
    assert.deepEqual(more, []);
    assert.equal((await (await client(good, securePort)).get('good.test')).backend, 'one');
    await ingress.setRoutes([]);
  }
  assert.equal((await sendRequest(url, { headers: { host: 'a.test' } })).status, 404);
});

test('no route takes the place of the certificate of another one of its host', {
  skip: unlessRoot(),
}, async (t) => {
  const { ingress, securePort } = await startIngress(t);
  const [backend, other] = [await startWebBackend(t, 'one'), await startWebBackend(t, 'two')];
  const [own, forged] = [await makeCertificate(t, ['shop.test']), await makeCertificate(t, ['shop.test'])];
  const owner = tlsRoute('shop.test', await asSecret(own), backend.port);
  const stranger = { ...tlsRoute('shop.test', await asSecret(forged), other.port), path: '/below' };
  for (const routes of [
    [owner, stranger],
    [stranger, owner],
  ]) {
    const [problem, ...more] = await ingress.setRoutes(routes);
    assert.match(problem?.message ?? '', /another certificate of shop\.test is offered/);
    assert.equal(problem?.route.kind === 'http' && problem.route.path, '/below');
    assert.deepEqual(more, []);
    const { get } = await client(own, securePort);
    assert.equal((await get('shop.test')).backend, 'one');
    assert.equal((await get('shop.test', '/below/x')).backend, 'two');
    await ingress.setRoutes([]);
  }
});

test('HTTP/2 leads no other way than HTTP/1.1', { skip: unlessRoot() }, async (t) => {
  const { ingress, securePort } = await startIngress(t);
  const names = ['shop.test', 'site.test'];
  const certificate = await makeCertificate(t, names);
  const [shop, site] = [await startWebBackend(t, 'shop'), await startWebBackend(t, 'site')];
  const tls = await asSecret(certificate);
  await ingress.setRoutes([
    { ...tlsRoute('shop.test', tls, shop.port), path: '/public' },
    tlsRoute('site.test', tls, site.port),
  ]);
  const ca = await readFile(certificate.authority);
  const session = connectHttp2('https://shop.test', {
    createConnection: () =>
      connect({ host: '127.0.0.1', port: securePort, ca, servername: 'shop.test', ALPNProtocols: ['h2'] }),
  });
  t.after(() => session.destroy());
  const ask = (headers: Readonly<Record<string, string>>) =>
    new Promise<string>((resolve) => {
      const stream = session.request(headers);
      stream.once('error', () => resolve('reset'));
      stream.once('response', (answer) => resolve(String(answer['x-backend'] ?? answer[':status'])));
      stream.resume();
    });
  const at = (authority: string, path: string, more = {}) =>
    ask({ ':authority': authority, ':path': path, ...more });
  assert.equal(await at('shop.test', '/public/x'), 'shop');
  // A connection for several names is one that browsers share; the request says which it is for.
  assert.equal(await at('site.test', '/public/x'), 'site');
  // Another name in a header counts for nothing (RFC 9113, section 8.3.1).
  assert.equal(await at('site.test', '/public/x', { host: 'shop.test' }), 'site');
  for (const [authority, path] of [
    ['shop.test', '/public/../admin'],
    ['shop.test', '/public/%2e%2e/admin'],
    ['shop.test/public', '/admin'],
    ['user@site.test', '/'],
    ['shop.test', '/admin'],
  ] as const) {
    const answer = await at(authority, path);
    assert.match(answer, /^(?:400|404|reset)$/, `${authority} ${path}`);
  }
});

test('a release that brings a route which cannot be served fails; one that had it before goes on', {
  skip: unlessRoot(),
}, async (t) => {
  const { ingress, url, securePort } = await startIngress(t);
  const backend = await startWebBackend(t, 'one');
  const folder = await makeTempDir(t, 'certificates');
  const routes = new IngressRoutes(ingress, folder, pino({ level: 'silent' }));
  const instance = (host: string, tls: TlsSpec): RoutedInstance => ({
    container: host,
    route: { kind: 'http', host, path: '/', port: backend.port, tls },
    address: backend.address,
  });
  const plain = instance('plain.test', { kind: 'none' });
  const files = instance('shop.test', { kind: 'files' });
  await assert.rejects(
    routes.lead('team/shop', [plain, files]),
    /the route shop\.test\/ is not served: its certificate cannot be used: .*shop\.test\.(?:crt|key) cannot be read \(ENOENT\)/,
  );
  assert.equal((await sendRequest(url, { headers: { host: 'plain.test' } })).status, 200);
  await routes.lead('team/shop', [plain, files]);
  await routes.lead('team/shop', [plain]);
  const good = await makeCertificate(t, ['shop.test']);
  await copyFile(good.certificate, join(folder, 'shop.test.crt'));
  await copyFile(good.key, join(folder, 'shop.test.key'));
  await routes.lead('team/shop', [plain, files]);
  await rm(join(folder, 'shop.test.key'));
  await routes.lead('team/shop', [files, plain]);
  assert.equal((await (await client(good, securePort)).get('shop.test')).backend, 'one');
  const port = { kind: 'tcp', listen: securePort, port: backend.port } as const;
  await assert.rejects(
    routes.lead('team/other', [{ ...plain, route: port }]),
    new RegExp(`the route of port ${securePort} is not served: the ingress itself listens`),
  );
});
