import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { runBerthIn } from '../support/berth-command.ts';
import { makeCertificate } from '../support/certificates.ts';
import { AGENT_CACHE } from '../support/compile-cache.ts';
import { startProcess } from '../support/managed-process.ts';
import { AGENT_PROGRAM, REGISTRY_PROGRAM } from '../support/programs.ts';
import { ADMIN_PASSWORD } from '../support/registry-with-accounts.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

test('a join token carries the hash of an authority, also an intermediate one, and of no other certificate', {
  skip: unlessRoot(),
}, async (t) => {
  const folder = await makeTempDir(t, 'authority');
  const at = (name: string) => join(folder, name);
  const elliptic = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const issue = async (name: string, by: string, extensions: string) => {
    await writeFile(at(`${name}.ext`), extensions);
    await runCommand('openssl', [
      ...['req', ...elliptic, '-subj', `/CN=${name}`],
      ...['-keyout', at(`${name}.key`), '-out', at(`${name}.csr`)],
    ]);
    await runCommand('openssl', [
      ...['x509', '-req', '-in', at(`${name}.csr`), '-CA', at(`${by}.crt`), '-CAkey', at(`${by}.key`)],
      ...['-days', '2', '-extfile', at(`${name}.ext`), '-out', at(`${name}.crt`)],
    ]);
  };
  await makeCertificate(folder, 'root');
  await issue('between', 'root', 'basicConstraints=critical,CA:TRUE\n');
  await issue('leaf', 'between', 'subjectAltName=IP:127.0.0.1\n');
  const text = async (...names: readonly string[]) =>
    (await Promise.all(names.map((name) => readFile(at(`${name}.crt`), 'utf8')))).join('');
  await writeFile(at('chain.crt'), await text('leaf', 'between'));

  const tls = ['--tls-cert', at('chain.crt'), '--tls-key', at('leaf.key')];
  const serve = ['serve', '--listen', '127.0.0.1:0', '--data', at('data'), ...tls];
  const registry = startProcess(t, process.execPath, [REGISTRY_PROGRAM, ...serve], {
    env: { BERTH_ADMIN_PASSWORD: ADMIN_PASSWORD },
  });
  const [, url = ''] = await registry.waitForLine(/berth is ready: (https:\/\/127\.0\.0\.1:\d+)/);
  const tokenBy = (certificate: string, key = 'leaf') =>
    runBerthIn(
      { BERTH_DATA: at('data'), BERTH_TLS_CERT: at(certificate), BERTH_TLS_KEY: at(`${key}.key`) },
      ...['host', 'token'],
    );
  const hashed = await tokenBy('chain.crt');
  const token = hashed.stdout.trim().split(' ').at(-1) ?? '';
  assert.match(token, /^bjt_[\w-]{43}\.[\w-]{43}$/, hashed.stderr);
  const joined = await runCommand(
    process.execPath,
    [AGENT_PROGRAM, 'join', url, token, '--data', at('agent'), '--name', 'web1'],
    { env: AGENT_CACHE },
  );
  assert.match(joined.stdout, /^joined https:\/\/127\.0\.0\.1:\d+ as web1$/m);

  const refused = await tokenBy('leaf.crt');
  assert.deepEqual([refused.exitCode, refused.stdout], [1, '']);
  assert.match(
    refused.stderr,
    /^berth: the certificate file of the registry ends with a certificate that is not an authority: append .*\n$/,
  );
  assert.match((await tokenBy('root.crt', 'root')).stdout, /^berth-agent join .* bjt_[\w-]{43}\.[\w-]{43}$/m);
});
