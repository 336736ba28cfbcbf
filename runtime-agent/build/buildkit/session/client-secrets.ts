import { Code, ConnectError } from '@connectrpc/connect';
import type { RegistryCredentials } from '../../../images/images.ts';
import { Auth } from '../proto/auth_pb.ts';
import { Secrets } from '../proto/secrets_pb.ts';
import type { ClientSession } from './client-session.ts';

/** A value of `--secret`; undefined where the client gives none of this name. */
export async function clientSecret(
  session: ClientSession,
  id: string,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  if (!session.offers(Secrets, 'GetSecret')) return undefined;
  try {
    return (await session.client(Secrets).getSecret({ ID: id }, { signal })).data;
  } catch (error) {
    if (error instanceof ConnectError && error.code === Code.NotFound) return undefined;
    throw error;
  }
}

/** What the client's user has logged in to a registry with; undefined where he has not. `registry` is a host, with a port. */
export async function clientCredentials(
  session: ClientSession,
  registry: string,
  signal: AbortSignal,
): Promise<RegistryCredentials | undefined> {
  if (!session.offers(Auth, 'Credentials')) return undefined;
  const { Username, Secret } = await session.client(Auth).credentials({ Host: registry }, { signal });
  if (Secret === '') return undefined;
  return Username === '' ? { identityToken: Secret } : { username: Username, password: Secret };
}
