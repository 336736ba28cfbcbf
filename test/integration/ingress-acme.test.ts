import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
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
  assert.match(wildcard?.message ?? '', /no certificate for a wildcard/);
  await eventually('the certificate is there', () => serialOf(place.securePort, HOST));
  const message = await eventually('the failure is told', async () => {
    const problems = await ingress.setRoutes(routes);
    return problems.find(({ route }) => route.kind === 'http' && route.host === 'nowhere.invalid')?.message;
  });
  assert.match(message, /^it has no new certificate: the authority could not verify the name/);
  assert.equal(await serialOf(place.securePort, 'nowhere.invalid'), undefined);
  await ingress.stop();
});
