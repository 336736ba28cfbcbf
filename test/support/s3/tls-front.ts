import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeCertificate } from '../certificate-authority.ts';
import type { CleanupScope } from '../cleanup.ts';
import { freePort } from '../free-port.ts';
import { startProcess } from '../managed-process.ts';
import { makeTempDir } from '../temp-dir.ts';
import { untilItListens } from '../until-it-listens.ts';
import type { S3Server } from './s3-server.ts';

export interface TlsFront {
  /** The same server under `https:`. */
  readonly server: S3Server;
  /** PEM file of the authority that vouches for it. */
  readonly authority: string;
}

/**
 * Puts TLS before a server of S3, by HAProxy, which passes on what it decrypts as it is, with a certificate for loopback
 * and `names`.
 */
export async function startTlsFront(
  scope: CleanupScope,
  server: S3Server,
  names: readonly string[] = [],
): Promise<TlsFront> {
  const tls = await makeCertificate(scope, names);
  const port = await freePort();
  const config = join(await makeTempDir(scope, 'tls-front'), 'haproxy.cfg');
  await writeFile(
    config,
    `global
  tune.ssl.default-dh-param 2048
defaults
  mode tcp
  timeout connect 5s
  timeout client 1m
  timeout server 1m
listen s3
  bind 127.0.0.1:${port} ssl crt ${tls.both}
  server rgw ${new URL(server.endpoint).host}
`,
  );
  const haproxy = startProcess(scope, '/usr/sbin/haproxy', ['-db', '-f', config]);
  await untilItListens(port, haproxy);
  return { server: { ...server, endpoint: `https://127.0.0.1:${port}` }, authority: tls.authority };
}
