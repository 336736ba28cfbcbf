import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestCertificate } from './certificate-authority.ts';
import type { CleanupScope } from './cleanup.ts';
import { freePort } from './free-port.ts';
import { startProcess } from './managed-process.ts';
import { makeTempDir } from './temp-dir.ts';
import { untilItListens } from './until-it-listens.ts';

/**
 * Starts Caddy's authority of ACME, which verifies names at port 80 of this network, and returns the URL of its directory. It answers
 * by TLS with the certificate `tls`. Its certificates are for 12 hours.
 */
export async function startAcmeServer(scope: CleanupScope, tls: TestCertificate): Promise<string> {
  const folder = await makeTempDir(scope, 'acme');
  const port = await freePort();
  const config = {
    admin: { disabled: true },
    logging: { logs: { default: { level: 'WARN' } } },
    storage: { module: 'file_system', root: folder },
    apps: {
      pki: { certificate_authorities: { local: { install_trust: false } } },
      tls: { certificates: { load_files: [{ certificate: tls.certificate, key: tls.key }] } },
      http: {
        servers: {
          acme: {
            listen: [`127.0.0.1:${port}`],
            automatic_https: { disable: true },
            tls_connection_policies: [{}],
            routes: [{ handle: [{ handler: 'acme_server', ca: 'local' }] }],
          },
        },
      },
    },
  };
  const file = join(folder, 'caddy.json');
  await writeFile(file, JSON.stringify(config));
  const process = startProcess(scope, 'caddy', ['run', '--config', file], {
    env: { XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder, HOME: folder },
  });
  await untilItListens(port, process);
  return `https://127.0.0.1:${port}/acme/local/directory`;
}
