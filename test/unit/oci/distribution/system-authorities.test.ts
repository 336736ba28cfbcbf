import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { it } from 'node:test';
import { defer } from '../../../support/cleanup.ts';
import { LONGEST_WAIT } from '../../../support/longest-wait.ts';
import { runCommand } from '../../../support/run-command.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const client = new URL('../../../../oci/distribution/registry-client.ts', import.meta.url);

it('trusts the authorities that the system trusts, and no others', async (t) => {
  const directory = await makeTempDir(t, 'authority');
  const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')];
  await runCommand('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...[
      '-subj',
      '/CN=registry.test',
      '-addext',
      'subjectAltName=DNS:registry.test',
      '-keyout',
      key,
      '-out',
      certificate,
    ],
  ]);
  const server = createServer(
    { key: await readFile(key), cert: await readFile(certificate) },
    (_, response) => response.end('{}'),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  defer(t, async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  // The name has no address: the program connects to loopback whatever it is asked for.
  const program = `
    import dns from 'node:dns';
    dns.lookup = (name, options, done) => options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);
    const { RegistryClient } = await import('${client.href}');
    const client = new RegistryClient({ insecureRegistries: [], mirrors: [], credentials: { find: async () => undefined } });
    const said = await client.checkLogin('registry.test:${(server.address() as AddressInfo).port}', {}, AbortSignal.timeout(${LONGEST_WAIT}))
      .then(() => 'welcome', (error) => error.message);
    console.log(said);
    client.close();
  `;
  const login = async (env: Readonly<Record<string, string>>) =>
    (await runCommand(process.execPath, ['--input-type=module', '--eval', program], { env })).stdout.trim();
  assert.equal(await login({ SSL_CERT_FILE: certificate }), 'welcome');
  assert.match(
    await login({ SSL_CERT_FILE: '/dev/null' }),
    /^Get "https:\/\/registry\.test:\d+\/v2\/": tls: failed to verify certificate: x509: certificate signed by unknown authority$/,
  );
});
