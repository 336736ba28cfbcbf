import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HOST_ADDRESS } from './own-network.ts';
import { runCommand } from './run-command.ts';
import { CABLE_ADDRESS } from './second-host.ts';

/** PEM files of a self-signed certificate for localhost, 127.0.0.1 and this host's addresses in tests. */
export interface TestCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** Makes a certificate in `folder`; replaces one of that name. */
export async function makeCertificate(folder: string, name = 'server'): Promise<TestCertificate> {
  const certificate = join(folder, `${name}.crt`);
  const key = join(folder, `${name}.key`);
  const config = join(folder, `${name}.cnf`);
  await writeFile(
    config,
    `[req]\ndistinguished_name = dn\nprompt = no\nx509_extensions = ext\n[dn]\nCN = ${name}\n[ext]\n` +
      `subjectAltName = DNS:localhost, IP:127.0.0.1, IP:${HOST_ADDRESS}, IP:${CABLE_ADDRESS}\nbasicConstraints = critical, CA:TRUE\n`,
  );
  await runCommand('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-config', config, '-keyout', key, '-out', certificate],
  ]);
  return { certificate, key };
}
