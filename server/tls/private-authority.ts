import { hash, X509Certificate } from 'node:crypto';
import { SettingInvalidError } from '../../auth/errors.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * The SHA-256 of the last certificate in a PEM chain, in its DER form, if it leads to none of the authorities that Node trusts
 * by itself: who connects has to be told then what to trust. Undefined for a public one. Throws SettingInvalidError when that
 * certificate is neither an authority nor its own: its successor could not be trusted.
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
    'the certificate file of the registry ends with a certificate that is no authority: append those of its authorities, since a join token carries the hash of the last one',
  );
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}
