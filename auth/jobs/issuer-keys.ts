import { createRemoteJWKSet, type JWTVerifyGetKey } from 'jose';
import { readAtMost } from '../../lib/streams/read-at-most.ts';
import { ProviderUnreachableError } from '../errors.ts';

const TIMEOUT = 5_000;
const LARGEST_DOCUMENT = 64 * 1024;
const MOST_ISSUERS = 100;

/**
 * The keys of issuers, found by their discovery document (OpenID Connect Discovery, section 4) and asked for again every
 * ten minutes, and when a token names one that is not known. Only to be asked for issuers that an administrator trusts.
 */
export class IssuerKeys {
  readonly #known = new Map<string, JWTVerifyGetKey>();

  /** Throws ProviderUnreachableError. */
  async of(issuer: string): Promise<JWTVerifyGetKey> {
    const known = this.#known.get(issuer);
    if (known !== undefined) return known;
    const found = createRemoteJWKSet(await discover(issuer), { timeoutDuration: TIMEOUT });
    if (this.#known.size >= MOST_ISSUERS) this.#known.clear();
    this.#known.set(issuer, found);
    return found;
  }
}

async function discover(issuer: string): Promise<URL> {
  const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  let text: string;
  try {
    const answer = await fetch(address, { redirect: 'error', signal: AbortSignal.timeout(TIMEOUT) });
    if (!answer.ok) throw new Error(`it answered ${answer.status}`);
    const bytes = await readAtMost(answer.body ?? [], LARGEST_DOCUMENT);
    if (bytes === undefined) throw new Error(`it has more than ${LARGEST_DOCUMENT} bytes`);
    text = bytes.toString('utf8');
  } catch (cause) {
    throw new ProviderUnreachableError(
      `the identity provider ${issuer} cannot be asked for its keys: try again soon`,
      {
        cause,
      },
    );
  }
  const document = parseObject(text);
  const keys = typeof document.jwks_uri === 'string' ? URL.parse(document.jwks_uri) : null;
  const isSafe = keys?.protocol === 'https:' || keys?.protocol === new URL(issuer).protocol;
  if (document.issuer !== issuer || keys === null || !isSafe) {
    throw new ProviderUnreachableError(`${address} does not say where the keys of ${issuer} are`);
  }
  return keys;
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
