export interface BasicCredentials {
  readonly user: string;
  readonly password: string;
}

/** Reads `Basic BASE64(user:password)` (RFC 7617, section 2); undefined when it is anything else. */
export function parseBasicCredentials(authorization: string): BasicCredentials | undefined {
  const match = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization);
  if (match?.[1] === undefined) return undefined;
  const text = Buffer.from(match[1], 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}
