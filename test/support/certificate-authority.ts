import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CleanupScope } from './cleanup.ts';
import { runCommand } from './run-command.ts';
import { makeTempDir } from './temp-dir.ts';

export interface TestCertificate {
  /** The authority that vouches for it, as `ca.crt` in a folder of its own, as `--cert-dir` wants it. */
  readonly authorityFolder: string;
  readonly authority: string;
  /** PEM files: the certificate, its key, and both in one. */
  readonly certificate: string;
  readonly key: string;
  readonly both: string;
}

/** Makes a certificate for 127.0.0.1, localhost and `names`, and an authority for it, that end with `scope`. */
export async function makeCertificate(
  scope: CleanupScope,
  names: readonly string[] = [],
): Promise<TestCertificate> {
  const folder = await makeTempDir(scope, 'tls');
  const authorityFolder = await makeTempDir(scope, 'authority');
  const openssl = (...args: readonly string[]) => runCommand('openssl', args, { cwd: folder });
  const authority = join(authorityFolder, 'ca.crt');
  const elliptic = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await openssl(
    'req',
    '-x509',
    ...elliptic,
    '-days',
    '2',
    '-subj',
    '/CN=test',
    '-keyout',
    'ca.key',
    '-out',
    authority,
  );
  await openssl('req', ...elliptic, '-subj', '/CN=localhost', '-keyout', 'server.key', '-out', 'server.csr');
  await writeFile(
    join(folder, 'names'),
    `subjectAltName=IP:127.0.0.1,${['localhost', ...names].map((name) => `DNS:${name}`).join()}\n`,
  );
  await openssl(
    ...['x509', '-req', '-in', 'server.csr', '-CA', authority, '-CAkey', 'ca.key', '-CAcreateserial'],
    ...['-days', '2', '-extfile', 'names', '-out', 'server.crt'],
  );
  const [certificate, key, both] = ['server.crt', 'server.key', 'both.pem'].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  await writeFile(both, `${await readFile(certificate, 'utf8')}${await readFile(key, 'utf8')}`);
  return { authorityFolder, authority, certificate, key, both };
}
