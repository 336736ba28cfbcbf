import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';

/** Milliseconds between checks of the files. */
const LOOK_INTERVAL = 5_000;

/** Paths of the certificate (with its chain) and its private key, in PEM. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/** The text of both files. `key` is a secret. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** The certificate cannot be used; the message is a sentence. */
export class CertificateError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CertificateError';
  }
}

/** Reads both files and checks that they belong together. Throws CertificateError. */
export async function readCertificate(files: CertificateFiles): Promise<Certificate> {
  const [cert, key] = await Promise.all([read(files.certificate), read(files.key)]);
  // Takes long to load.
  const { createSecureContext } = await import('node:tls');
  try {
    createSecureContext({ cert, key });
    const { validTo } = new X509Certificate(cert);
    if (Date.parse(validTo) < Date.now()) {
      throw new CertificateError(`the certificate in ${files.certificate} expired on ${validTo}: renew it`);
    }
  } catch (cause) {
    if (cause instanceof CertificateError) throw cause;
    throw new CertificateError(
      `${files.certificate} and ${files.key} are not a certificate and its private key in PEM (${(cause as Error).message})`,
      { cause },
    );
  }
  return { cert, key };
}

/**
 * Calls `use` with each certificate that replaces `first` in the files, until `signal` aborts. One that cannot be used
 * is logged, and the last good one stays in use.
 */
export async function followCertificate(
  files: CertificateFiles,
  first: Certificate,
  use: (certificate: Certificate) => void,
  log: Logger,
  signal: AbortSignal,
  lookInterval = LOOK_INTERVAL,
): Promise<void> {
  let current = first;
  let complaint = '';
  while (!signal.aborted) {
    // Polled rather than watched: renewal replaces links, whole folders and mounts.
    await sleep(lookInterval, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    try {
      const found = await readCertificate(files);
      complaint = '';
      if (found.cert === current.cert && found.key === current.key) continue;
      use(found);
      current = found;
      log.info({ certificate: files.certificate }, 'the certificate has been replaced');
    } catch (error) {
      const { message } = error as Error;
      if (message !== complaint) log.error({ err: error }, 'the last good certificate stays in use');
      complaint = message;
    }
  }
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new CertificateError(`${path} cannot be read (${(cause as NodeJS.ErrnoException).code})`, {
      cause,
    });
  }
}
