import { isLoopback } from '../lib/http/addresses.ts';

const LONGEST = 512;

/**
 * Reports whether a text is a valid token issuer: an https URL without query and fragment (OpenID Connect Discovery,
 * section 4), or plain http for an issuer on this machine.
 */
export function isIssuer(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.search !== '' || url.hash !== '' || url.username !== '') return false;
  return (
    text.length <= LONGEST &&
    (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname)))
  );
}
