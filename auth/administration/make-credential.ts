import type { Limit } from '../access/rights.ts';
import { robotName } from '../accounts/names.ts';
import type { Credential, CredentialStore, Owner } from '../credentials/credential-store.ts';
import { hashSecret, makeId, makeSecret } from '../credentials/secret.ts';
import { EntryUnknownError, SettingInvalidError } from '../errors.ts';

/** Rights and lifetime of a new credential. */
export interface CredentialTerms {
  /** By default all repository rights of the owner. The credential loses every right that its owner loses. */
  readonly limits?: readonly Limit[];
  /** By default it never expires. */
  readonly expiresAt?: Date;
}

/** A credential with its secret, which is stored nowhere. */
export interface MadeCredential {
  readonly credential: Credential;
  readonly secret: string;
}

/** Creates a personal token. Throws EntryUnknownError for the person, SettingInvalidError. */
export async function makePersonalToken(
  credentials: CredentialStore,
  account: string,
  label: string,
  terms: CredentialTerms,
): Promise<MadeCredential> {
  if (label.trim() === '' || label.length > 100) {
    throw new SettingInvalidError('name the purpose of the token, in at most 100 characters');
  }
  return make(credentials, 'personal', label, { kind: 'user', name: account }, terms);
}

/**
 * Creates a robot account. Throws EntryUnknownError for the owner, EntryExistsError, and SettingInvalidError, also
 * without limits.
 */
export async function makeRobot(
  credentials: CredentialStore,
  owner: Owner,
  name: string,
  terms: CredentialTerms,
): Promise<MadeCredential> {
  if (terms.limits === undefined || terms.limits.length === 0) {
    throw new SettingInvalidError('a robot account needs scopes, such as team/*:pull');
  }
  return make(credentials, 'robot', robotName(owner, name), owner, terms);
}

/** Replaces a robot's secret; the old one is no longer valid. Throws EntryUnknownError. */
export async function renewRobot(
  credentials: CredentialStore,
  name: string,
  expiresAt: Date | undefined,
): Promise<MadeCredential> {
  const robot = await findRobot(credentials, name);
  refuseThePast(expiresAt);
  const secret = makeSecret('bot');
  await credentials.replaceSecret(robot.id, hashSecret(secret), expiresAt);
  return { credential: robot, secret };
}

/** Throws EntryUnknownError. */
export async function findRobot(credentials: CredentialStore, name: string): Promise<Credential> {
  const robot = await credentials.findRobot(name);
  if (robot === undefined) throw new EntryUnknownError(`there is no robot account named "${name}"`);
  return robot;
}

async function make(
  credentials: CredentialStore,
  kind: Credential['kind'],
  name: string,
  owner: Owner,
  terms: CredentialTerms,
): Promise<MadeCredential> {
  refuseThePast(terms.expiresAt);
  const secret = makeSecret(kind === 'robot' ? 'bot' : 'pat');
  const credential: Credential = {
    ...terms,
    id: makeId(),
    kind,
    name,
    owner,
    secretHash: hashSecret(secret),
    createdAt: new Date(),
  };
  await credentials.create(credential);
  return { credential, secret };
}

function refuseThePast(expiresAt: Date | undefined): void {
  if (expiresAt !== undefined && !(expiresAt.getTime() > Date.now())) {
    throw new SettingInvalidError('a token must expire in the future');
  }
}
