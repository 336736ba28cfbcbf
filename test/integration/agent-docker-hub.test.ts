import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { it } from 'node:test';
import { defer } from '../support/cleanup.ts';
import { LONGEST_WAIT } from '../support/longest-wait.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

const HOSTS = ['registry-1.docker.io', 'auth.docker.io', 'index.docker.io', 'blobs.example'];
const module = (path: string) => new URL(`../../${path}`, import.meta.url).href;

/** The same answers as Docker Hub's, whose addresses are this machine's in the program that asks. */
it('speaks to Docker Hub in its own form', { skip: unlessRoot(), timeout: 900_000 }, async (t) => {
  const directory = await makeTempDir(t, 'hub');
  const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')];
  await runCommand('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', '/CN=hub', '-addext', `subjectAltName=${HOSTS.map((host) => `DNS:${host}`).join(',')}`],
    ...['-keyout', key, '-out', certificate],
  ]);
  const blob = Buffer.from('a layer');
  const digest = `sha256:${createHash('sha256').update(blob).digest('hex')}`;
  const manifest = JSON.stringify({ schemaVersion: 2 });
  const seen: string[] = [];
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const { authorization = '-', host } = request.headers;
    const url = new URL(request.url ?? '/', `https://${host}`);
    seen.push(`${request.method} ${url} ${authorization}`);
    const json = (value: object) => response.end(JSON.stringify(value));
    if (host === 'auth.docker.io')
      return json({ token: `for-${url.searchParams.get('scope')}`, expires_in: 300 });
    if (host === 'blobs.example') return response.end(blob);
    if (!authorization.startsWith('Bearer for-')) {
      return response
        .writeHead(401, {
          'www-authenticate': 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io"',
        })
        .end('{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":null}]}');
    }
    if (url.pathname === '/v1/search')
      return json({ num_results: 1, results: [{ name: 'alpine', star_count: 9 }] });
    if (url.pathname.endsWith(digest))
      return response.writeHead(307, { location: 'https://blobs.example/x?sig=1' }).end();
    if (url.pathname.includes('/manifests/')) {
      return response
        .writeHead(200, { 'content-type': 'application/vnd.oci.image.manifest.v1+json' })
        .end(manifest);
    }
    return json({});
  };
  const server = createServer({ key: await readFile(key), cert: await readFile(certificate) }, answer);
  await new Promise<void>((resolve) => server.listen(443, '127.0.0.1', resolve));
  defer(t, async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const logins = join(directory, 'config.json');
  const auth = Buffer.from('ada:secret').toString('base64');
  await writeFile(logins, JSON.stringify({ auths: { 'https://index.docker.io/v1/': { auth } } }));
  const program = `
    import dns from 'node:dns';
    dns.lookup = (name, options, done) => options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);
    const { RegistryClient } = await import('${module('oci/distribution/registry-client.ts')}');
    const { RemoteRegistry } = await import('${module('oci/distribution/remote-registry.ts')}');
    const { CredentialFiles } = await import('${module('oci/distribution/credentials/credential-files.ts')}');
    const { parseImageReference } = await import('${module('oci/reference.ts')}');
    const client = new RegistryClient({ insecureRegistries: [], mirrors: [], credentials: new CredentialFiles(['${logins}']) });
    const signal = AbortSignal.timeout(${LONGEST_WAIT});
    const repository = client.repository(parseImageReference('alpine:3'));
    const { bytes } = await repository.fetchManifest('3', signal);
    let blob = '';
    for await (const chunk of repository.readBlob({ digest: '${digest}', size: ${blob.length} }, signal)) blob += chunk;
    const found = await new RemoteRegistry(client).search('alp', 5, { signal });
    await client.checkLogin('https://index.docker.io/v1/', { username: 'ada', password: 'secret' }, signal);
    console.log(JSON.stringify({ manifest: bytes.toString(), blob, found }));
    client.close();
  `;
  const { stdout } = await runCommand(process.execPath, ['--input-type=module', '--eval', program], {
    env: { SSL_CERT_FILE: certificate },
  });
  assert.deepEqual(JSON.parse(stdout), {
    manifest,
    blob: 'a layer',
    found: [{ name: 'alpine', description: '', stars: 9, official: false }],
  });
  const basic = `Basic ${auth}`;
  const pull = 'Bearer for-repository:library/alpine:pull';
  const token = 'https://auth.docker.io/token?service=registry.docker.io';
  assert.deepEqual(seen, [
    'GET https://registry-1.docker.io/v2/ -',
    `GET ${token}&scope=repository%3Alibrary%2Falpine%3Apull&account=ada ${basic}`,
    `GET https://registry-1.docker.io/v2/library/alpine/manifests/3 ${pull}`,
    `GET https://registry-1.docker.io/v2/library/alpine/blobs/${digest} ${pull}`,
    'GET https://blobs.example/x?sig=1 -',
    'GET https://index.docker.io/v2/ -',
    `GET ${token}&scope=registry%3Acatalog%3Asearch&account=ada ${basic}`,
    'GET https://index.docker.io/v1/search?q=alp&n=5 Bearer for-registry:catalog:search',
    'GET https://registry-1.docker.io/v2/ -',
    `GET ${token}&offline_token=true&client_id=berth-agent&account=ada ${basic}`,
    'GET https://registry-1.docker.io/v2/ Bearer for-null',
  ]);
});
