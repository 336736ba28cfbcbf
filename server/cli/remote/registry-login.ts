import { CredentialFiles } from '../../../oci/distribution/credentials/credential-files.ts';
import { findDockerConfigFile } from '../docker-config.ts';

/**
 * Returns the Authorization header for a registry, given as `HOST` or `HOST:PORT`: BERTH_TOKEN, which is a personal
 * token, the secret of a robot, or USER:PASSWORD; otherwise docker's login. Undefined without either. Throws
 * DistributionError.
 */
export async function authorizationFor(
  host: string,
  env: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const token = env.BERTH_TOKEN?.trim();
  if (token) return token.includes(':') ? basic(token) : `Bearer ${token}`;
  const file = findDockerConfigFile(env);
  const found = file && (await new CredentialFiles([file]).find(host, '', signal));
  if (!found) return undefined;
  if (found.identityToken) return `Bearer ${found.identityToken}`;
  if (found.username === undefined) return undefined;
  return basic(`${found.username}:${found.password ?? ''}`);
}

function basic(pair: string): string {
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}
