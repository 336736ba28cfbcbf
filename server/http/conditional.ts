/**
 * Whether an If-None-Match header names `tag` (RFC 9110, section 13.1.2), so that the answer is 304. Some
 * clients leave out the quotes.
 */
export function matchesEntityTag(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((part) => {
    const candidate = part.trim().replace(/^W\//, '');
    return candidate === '*' || candidate === tag || candidate === `"${tag}"`;
  });
}
