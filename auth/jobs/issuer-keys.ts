import type { JWTVerifyGetKey } from 'jose';
import { boundedFetch } from '../../lib/http/bounded-fetch.ts';
import { ProviderUnreachableError } from '../errors.ts';
import { FAILED_FOR, remoteKeys } from '../remote-keys.ts';

const TIMEOUT = 5_000;
const LARGEST_DOCUMENT = 64 * 1024;
const MOST_ISSUERS = 100;

interface KnownIssuer {
  readonly keys: Promise<JWTVerifyGetKey>;
  /** End of validity, on the clock of performance.now(); Infinity unless it has failed. */
  until: number;
}

/**
 * Fetches the keys of issuers from their discovery document (OpenID Connect Discovery, section 4), again every ten
 * minutes, and when a token names an unknown key. Use it only for issuers that an administrator trusts.
 */
export class IssuerKeys {
  readonly #known = new Map<string, KnownIssuer>();

  /**
   * Queries an issuer once for all concurrent callers. Throws ProviderUnreachableError, also for a while after a
   * failure.
   */
  of(issuer: string): Promise<JWTVerifyGetKey> {
    const known = this.#known.get(issuer);
    if (known !== undefined && performance.now() < known.until) return known.keys;
    const keys = discover(issuer).then((url) => remoteKeys(url, unreachable(issuer)));
    const found: KnownIssuer = { keys, until: Number.POSITIVE_INFINITY };
    if (this.#known.size >= MOST_ISSUERS) this.#known.clear();
    this.#known.set(issuer, found);
    keys.catch(() => {
      found.until = performance.now() + FAILED_FOR;
    });
    return keys;
  }
}

function unreachable(issuer: string): string {
  return `cannot read the keys of the identity provider ${issuer}: try again soon`;
}

async function discover(issuer: string): Promise<URL> {
  const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  let text: string;
  try {
    const signal = AbortSignal.timeout(TIMEOUT);
    const answer = await boundedFetch(LARGEST_DOCUMENT)(address, { redirect: 'error', signal });
    if (!answer.ok) throw new Error(`it answered ${answer.status}`);
    text = await answer.text();
  } catch (cause) {
    throw new ProviderUnreachableError(unreachable(issuer), { cause });
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
