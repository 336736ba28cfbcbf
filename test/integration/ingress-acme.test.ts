import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { connect, getCACertificates, setDefaultCACertificates } from 'node:tls';
import { pino } from 'pino';
import { HttpExchange } from '../../oci/distribution/http-exchange.ts';
import { AcmeAuthority } from '../../runtime-agent/fleet/ingress/acme/acme-authority.ts';
import type { HttpRoute } from '../../runtime-agent/fleet/ingress/ingress.ts';
import { startAcmeServer } from '../support/acme-server.ts';
import { makeCertificate } from '../support/certificate-authority.ts';
import { defer } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import { sendRequest } from '../support/http-client.ts';
import { makeIngressPlace, openIngress, plainRoute } from '../support/ingress.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { startWebBackend } from '../support/web-backend.ts';

// The authority asks at port 80.
enterOwnNetwork();

const signal = new AbortController().signal;
/** The only name that the authority can resolve without a name server. */
const HOST = 'localhost';

function acmeRoute(host: string, port: number): HttpRoute {
  return { ...plainRoute(host, [{ address: '127.0.0.1', port }]), tls: { kind: 'acme' } };
}

async function startAuthority(t: TestContext) {
  const tls = await makeCertificate(t);
  setDefaultCACertificates([...getCACertificates('default'), await readFile(tls.authority, 'utf8')]);
  const directory = await startAcmeServer(t, tls);
  const folder = await makeTempDir(t, 'acme-client');
  const exchange = new HttpExchange();
  defer(t, () => exchange.close());
  const open = () => new AcmeAuthority({ directory, folder, exchange, log: pino({ level: 'silent' }) });
  // The name of the folder is the authority's.
  const kept = join(folder, createHash('sha256').update(directory).digest('hex').slice(0, 16));
  return { open, kept };
}

function serialOf(port: number, host: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, servername: host, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.once('error', () => resolve(undefined));
  });
}

test('a route gets a certificate of the authority, which is kept', { skip: unlessRoot() }, async (t) => {
  const { open, kept } = await startAuthority(t);
  const place = { ...(await makeIngressPlace(t)), plainPort: 80 };
  const ingress = openIngress(place, open());
  await ingress.start(signal);
  const backend = await startWebBackend(t, 'one');
  const routes = [acmeRoute(HOST, backend.port), plainRoute('plain.test', [backend])];
  assert.deepEqual(await ingress.setRoutes(routes), []);
  const serial = await eventually('the certificate is there', () => serialOf(place.securePort, HOST));
  const redirect = await sendRequest('http://127.0.0.1/x', { headers: { host: HOST } });
  assert.equal(redirect.status, 308);
  // No challenge is left.
  assert.doesNotMatch(await readFile(join(place.folder, 'answers.map'), 'latin1'), /acme-challenge/);

  const file = join(kept, `${HOST}.pem`);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.equal(new X509Certificate(await readFile(file)).serialNumber, serial);
  await ingress.stop();

  const next = openIngress(place, open());
  await next.start(signal);
  assert.deepEqual(await next.setRoutes(routes), []);
  assert.equal(await serialOf(place.securePort, HOST), serial);
  await next.stop();
});

test('a kept certificate is served, and renewed when a third of its time is left', {
  skip: unlessRoot(),
}, async (t) => {
  const { open, kept } = await startAuthority(t);
  await mkdir(kept);
  const file = join(kept, `${HOST}.pem`);
  const day = (offset: number) =>
    `${new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}Z`;
  await runCommand('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-subj', '/CN=old', '-addext', `subjectAltName=DNS:${HOST}`],
    ...['-not_before', day(-60), '-not_after', day(29), '-keyout', `${file}.key`, '-out', `${file}.crt`],
  ]);
  await writeFile(file, `${await readFile(`${file}.key`, 'utf8')}${await readFile(`${file}.crt`, 'utf8')}`);
  const old = new X509Certificate(await readFile(file)).serialNumber;
  const place = { ...(await makeIngressPlace(t)), plainPort: 80 };
  const ingress = openIngress(place, open());
  await ingress.start(signal);
  const backend = await startWebBackend(t, 'one');
  await ingress.setRoutes([acmeRoute(HOST, backend.port)]);
  const seen = new Set<string | undefined>();
  await eventually('another certificate is served', async () => {
    seen.add(await serialOf(place.securePort, HOST));
    return seen.size > 1 ? true : undefined;
  });
  // It is never without one.
  assert.equal(seen.has(undefined), false);
  assert.equal([...seen][0], old);
  await ingress.stop();
});

test('a name that the authority cannot verify is described; others get theirs', {
  skip: unlessRoot(),
}, async (t) => {
  const { open } = await startAuthority(t);
  const place = { ...(await makeIngressPlace(t)), plainPort: 80 };
  const ingress = openIngress(place, open());
  await ingress.start(signal);
  const backend = await startWebBackend(t, 'one');
  const routes = ['nowhere.invalid', HOST, '*.shop.test'].map((host) => acmeRoute(host, backend.port));
  const [wildcard] = await ingress.setRoutes(routes);
  assert.match(wildcard?.message ?? '', /no wildcard certificates/);
  await eventually('the certificate is there', () => serialOf(place.securePort, HOST));
  const message = await eventually('the failure is told', async () => {
    const problems = await ingress.setRoutes(routes);
    return problems.find(({ route }) => route.kind === 'http' && route.host === 'nowhere.invalid')?.message;
  });
  assert.match(message, /^it has no new certificate: the authority could not verify the name/);
  assert.equal(await serialOf(place.securePort, 'nowhere.invalid'), undefined);
  await ingress.stop();
});

test('an authority that is down, or whose answers are of no use, is described', async (t) => {
  const folder = await makeTempDir(t, 'useless');
  let directory = '';
  const server = createServer((_asked, response) => response.end(directory));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  defer(t, () => {
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const exchange = new HttpExchange();
  defer(t, () => exchange.close());
  const failureAt = async (authorityPort: number) => {
    const authority = new AcmeAuthority({
      ...{
        directory: `http://127.0.0.1:${authorityPort}/`,
        folder,
        exchange,
        log: pino({ level: 'silent' }),
      },
    });
    defer(t, () => authority.close());
    authority.start({ answer: async () => undefined, changed: () => undefined });
    await authority.certificates([HOST]);
    return eventually('the failure is told', () => authority.failure(HOST));
  };
  const urls = (url: string) => JSON.stringify({ newNonce: url, newAccount: url, newOrder: url });
  for (const [answer, sentence] of [
    ['<html>', /^the answer of the authority lacks a field\.$/],
    [urls('/relative'), /^the authority names an address that is not of HTTP\.$/],
    [urls('file:///etc/passwd'), /^the authority names an address that is not of HTTP\.$/],
  ] as const) {
    directory = answer;
    assert.match(await failureAt(port), sentence);
  }
  assert.match(await failureAt(1), /ECONNREFUSED/);
});

test('an authority that gives expired certificates, or this host by a wrong clock, is not asked again and again', {
  skip: unlessRoot(),
}, async (t) => {
  const folder = await makeTempDir(t, 'mistimed');
  const [certificate, key, request] = ['crt', 'key', 'csr'].map((name) => join(folder, name));
  assert.ok(certificate && key && request);
  const elliptic = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const openssl = (...args: readonly string[]) => runCommand('openssl', args);
  await openssl('req', '-x509', ...elliptic, '-subj', '/CN=ca', '-keyout', key, '-out', certificate);
  let orders = 0;
  const server = createServer(async (asked, response) => {
    const { port } = server.address() as AddressInfo;
    const at = (path: string) => `http://127.0.0.1:${port}/${path}`;
    const { payload = '' } = JSON.parse((await text(asked)) || '{}');
    const { csr = '' } = JSON.parse(Buffer.from(payload, 'base64url').toString() || '{}');
    const order = { status: 'valid', authorizations: [], finalize: at('finalize'), certificate: at('chain') };
    response.setHeader('replay-nonce', 'nonce');
    response.setHeader('location', at('order'));
    if (csr !== '') {
      await writeFile(request, Buffer.from(csr, 'base64url'));
      await openssl(
        ...['x509', '-req', '-in', request, '-inform', 'DER', '-copy_extensions', 'copy', '-CA', certificate],
        ...['-CAkey', key, '-not_before', '20200101000000Z', '-not_after', '20210101000000Z'],
        ...['-out', join(folder, 'chain')],
      );
    }
    if (asked.url === '/new-order') orders += 1;
    if (asked.url === '/chain') response.end(await readFile(join(folder, 'chain')));
    else if (asked.url !== '/directory') response.end(JSON.stringify(order));
    else {
      const directory = { newNonce: at('nonce'), newAccount: at('account'), newOrder: at('new-order') };
      response.end(JSON.stringify(directory));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  defer(t, () => {
    server.close();
  });
  const exchange = new HttpExchange();
  defer(t, () => exchange.close());
  const directory = `http://127.0.0.1:${(server.address() as AddressInfo).port}/directory`;
  const authority = new AcmeAuthority({ directory, folder, exchange, log: pino({ level: 'silent' }) });
  defer(t, () => authority.close());
  authority.start({ answer: async () => undefined, changed: () => undefined });
  await authority.certificates([HOST]);
  const failure = await eventually('the failure is told', () => authority.failure(HOST));
  assert.match(failure, /valid from 2020-.* to 2021-.*, and already due for renewal/);
  // It is served as long as there is no better one.
  assert.equal((await authority.certificates([HOST])).length, 1);
  await setImmediate();
  assert.equal(orders, 1);
});
