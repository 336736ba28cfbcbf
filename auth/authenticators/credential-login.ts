import type { Identity } from '../access/access.ts';
import type { Directory } from '../accounts/directory.ts';
import type { Credential, CredentialStore } from '../credentials/credential-store.ts';
import { hashSecret, secretKind } from '../credentials/secret.ts';
import { CredentialsInvalidError } from '../errors.ts';
import type { BasicCredentials, LoginMethod } from './login-method.ts';

/** Minimum milliseconds between two records of a credential's last use. */
const TOUCH_EVERY = 60 * 60 * 1000;

/**
 * Accepts personal tokens with the name of their owner, and secrets of robots with the robot's name; as bearer tokens,
 * both without a name. It looks up the hash of the secret, so timing reveals nothing about names.
 */
export class CredentialLogin implements LoginMethod {
  readonly #credentials: CredentialStore;
  readonly #directory: Directory;

  constructor(credentials: CredentialStore, directory: Directory) {
    this.#credentials = credentials;
    this.#directory = directory;
  }

  async logIn({ user, password }: BasicCredentials): Promise<Identity | undefined> {
    const kind = secretKind(password);
    if (kind === undefined) return undefined;
    // A secret of another kind is never a password (password.ts), so nothing needs to be verified.
    if (kind !== 'pat' && kind !== 'bot') {
      throw new CredentialsInvalidError('a secret of this kind is not a password: log in again');
    }
    const credential = await this.#credentials.findBySecret(hashSecret(password));
    const identity = credential && (await this.#directory.bearerOf(credential));
    if (credential !== undefined) refuseEnded(credential);
    const isNamed = identity !== undefined && identity.kind !== 'anonymous';
    if (!isNamed || (user !== undefined && identity.name !== user)) {
      throw new CredentialsInvalidError('the token is wrong, has expired or belongs to another name');
    }
    await this.#touch(credential as Credential);
    return identity;
  }

  async #touch({ id, lastUsedAt }: Credential): Promise<void> {
    const now = new Date();
    if (lastUsedAt !== undefined && now.getTime() - lastUsedAt.getTime() < TOUCH_EVERY) return;
    try {
      await this.#credentials.touch(id, now);
    } catch {
      // A database that cannot be written (a full disk) must not stop programs from pulling images.
    }
  }
}

/** A client with the right secret may learn why it is no longer valid. */
function refuseEnded({ expiresAt, kind, name, owner }: Credential): void {
  if (expiresAt === undefined || expiresAt.getTime() > Date.now()) return;
  const day = expiresAt.toISOString().slice(0, 10);
  const whose = kind === 'robot' ? `secret of the robot ${name}` : `token "${name}" of ${owner.name}`;
  throw new CredentialsInvalidError(`the ${whose} ended on ${day}: renew it`);
}
