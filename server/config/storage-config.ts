import type { ChooseProxy } from '../../lib/http/proxies/choose-proxy.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { parseS3Url, type S3Settings } from '../../storage/blobs/s3/s3-settings.ts';
import { NEVER, parseRedirectRules, type RedirectRules } from '../http/redirect-rules.ts';

/** Reads where blobs lie beside the data folder, if anywhere, and how that is reached. Throws ConfigError. */
export function parseStorage(text: string | undefined, choose?: ChooseProxy): S3Settings | undefined {
  if (text === undefined) return undefined;
  try {
    return parseS3Url(text, choose);
  } catch (cause) {
    // It may hold what was meant to be secret.
    throw new ConfigError(`--storage cannot be used: ${(cause as Error).message}`, { cause });
  }
}

/** Reads which clients are sent to the storage; undefined for none. Throws ConfigError. */
export function parseRedirects(
  rules: readonly string[],
  storage: S3Settings | undefined,
): RedirectRules | undefined {
  let redirects: RedirectRules;
  try {
    redirects = parseRedirectRules(rules);
  } catch (cause) {
    throw new ConfigError(`--redirect: ${(cause as Error).message}`, { cause });
  }
  if (redirects === NEVER) return undefined;
  if (storage === undefined) {
    throw new ConfigError(
      '--redirect needs a storage that clients can reach: give --storage, or leave it out',
    );
  }
  return redirects;
}
