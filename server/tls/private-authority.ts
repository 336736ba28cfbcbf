import { hash, X509Certificate } from 'node:crypto';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * The SHA-256 of the last certificate in a PEM chain, in its DER form, if it leads to none of the authorities that Node trusts
 * by itself: who connects has to be told then what to trust. Undefined for a public one.
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
  return isPublic ? undefined : hash('sha256', certificate.raw, 'buffer');
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}
