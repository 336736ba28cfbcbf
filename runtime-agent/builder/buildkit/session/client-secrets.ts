import { Code, ConnectError } from '@connectrpc/connect';
import type { RegistryCredentials } from '../../../../oci/distribution/credentials/registry-credentials.ts';
import { Auth } from '../proto/auth_pb.ts';
import { Secrets } from '../proto/secrets_pb.ts';
import type { ClientSession } from './client-session.ts';

// Like BuildKit, these call methods that the session does not announce: some clients, such as dockerode, announce none.

/** Returns the value of `--secret`; undefined if the client has none with this name. */
export async function clientSecret(
  session: ClientSession,
  id: string,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  return (
    await unlessCode([Code.NotFound, Code.Unimplemented], () =>
      session.client(Secrets).getSecret({ ID: id }, { signal }),
    )
  )?.data;
}

/** Returns the client's login for a registry; undefined without one. `registry` is a host, with a port. */
export async function clientCredentials(
  session: ClientSession,
  registry: string,
  signal: AbortSignal,
): Promise<RegistryCredentials | undefined> {
  const { Username = '', Secret = '' } =
    (await unlessCode([Code.Unimplemented], () =>
      session.client(Auth).credentials({ Host: registry }, { signal }),
    )) ?? {};
  if (Secret === '') return undefined;
  return Username === '' ? { identityToken: Secret } : { username: Username, password: Secret };
}

/** Returns the answer of a call; undefined if it fails with one of these codes. */
async function unlessCode<T>(codes: readonly Code[], call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof ConnectError && codes.includes(error.code)) return undefined;
    throw error;
  }
}
