import { hash, X509Certificate } from 'node:crypto';
import { SettingInvalidError } from '../../auth/errors.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * Returns the SHA-256 of the last certificate in a PEM chain, in DER form, if Node trusts none of the chain's
 * authorities by default: clients must then be told what to trust. Undefined for a public one. Throws
 * SettingInvalidError when that certificate is neither an authority nor self-signed: its successor could not be
 * trusted.
 */
export async function privateAuthority(chain: string): Promise<Buffer | undefined> {
  const last = chain.match(CERTIFICATE)?.at(-1);
  if (last === undefined) return undefined;
  // Takes long to load.
  const { rootCertificates } = await import('node:tls');
  const certificate = new X509Certificate(last);
  const isPublic = rootCertificates.some((text) => {
    const root = new X509Certificate(text);
    return root.fingerprint256 === certificate.fingerprint256 || isIssuedBy(certificate, root);
  });
  if (isPublic) return undefined;
  if (certificate.ca || isIssuedBy(certificate, certificate))
    return hash('sha256', certificate.raw, 'buffer');
  throw new SettingInvalidError(
    'the certificate file of the registry ends with a certificate that is not an authority: append those of its authorities, since a join token carries the hash of the last one',
  );
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}
