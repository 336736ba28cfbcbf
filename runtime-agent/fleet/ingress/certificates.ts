import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { OfferedCertificate } from './plan-routes.ts';

/** Maximum bytes of a chain and its key: HAProxy accepts them in one command of at most 16 KiB. */
const MAX_PEM = 15_000;
/** Maximum bytes that are read from a file. */
const MAX_FILE = 256 * 1024;
const BEGIN = '-----BEGIN CERTIFICATE-----';
const END = '-----END CERTIFICATE-----';

/** A certificate with its key for a host name. */
export interface HostCertificate extends OfferedCertificate {
  /** The chain, leaf first, and the key: PEM without an empty line. */
  readonly pem: string;
  readonly issued: Date;
  readonly expires: Date;
}

/**
 * Normalises a PEM chain and its private key. Throws an Error with a message, which quotes neither text, if they are
 * invalid or do not match, or if the certificate is not for `host`.
 */
export function readCertificate(certificate: string, key: string, host: string): HostCertificate {
  const chain = readChain(certificate);
  const [leaf] = chain;
  if (leaf === undefined) throw new Error('there is no PEM certificate in it.');
  const privateKey = readKey(key);
  if (!leaf.checkPrivateKey(privateKey)) throw new Error('the key does not belong to the certificate.');
  // A wildcard covers all names with one more label, so the certificate must be valid for any of them.
  if (leaf.checkHost(host.replace('*.', 'any-name.')) === undefined) {
    throw new Error(`the certificate is not for ${host}.`);
  }
  const pem = `${chain.map(String).join('')}${privateKey.export({ type: 'pkcs8', format: 'pem' })}`;
  if (pem.length > MAX_PEM) throw new Error(`the chain and its key have more than ${MAX_PEM} bytes.`);
  const digest = createHash('sha256').update(`${host}\n${pem}`).digest('hex');
  return { file: `${digest}.pem`, host, pem, issued: leaf.validFromDate, expires: leaf.validToDate };
}

/** Reports why clients refuse a certificate by this machine's time; undefined if it is currently valid. */
export function outOfDate({ issued, expires }: HostCertificate): string | undefined {
  const now = Date.now();
  if (now > expires.getTime()) return `has expired on ${expires.toISOString()}`;
  if (now < issued.getTime()) return `counts from ${issued.toISOString()} on`;
  return undefined;
}

/** Like readCertificate, from files. The error names the file that cannot be read. */
export async function readCertificateFiles(
  certificate: string,
  key: string,
  host: string,
): Promise<HostCertificate> {
  const [chain, privateKey] = await Promise.all([certificate, key].map(readPemFile));
  return readCertificate(chain ?? '', privateKey ?? '', host);
}

async function readPemFile(path: string): Promise<string> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${path} cannot be read (${error.code}).`);
  });
  if (!found.isFile()) throw new Error(`${path} is not a file.`);
  if (found.size > MAX_FILE) throw new Error(`${path} is too large for a certificate or key.`);
  return await readFile(path, 'latin1');
}

function readChain(text: string): readonly X509Certificate[] {
  const blocks = text
    .split(BEGIN)
    .slice(1)
    .map((part) => part.split(END)[0] ?? '');
  try {
    return blocks.map((block) => new X509Certificate(`${BEGIN}${block}${END}\n`));
  } catch (cause) {
    throw new Error('there is a certificate in it that cannot be read.', { cause });
  }
}

function readKey(text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (cause) {
    throw new Error('the key is not a PEM private key without a passphrase.', { cause });
  }
}
