import type { Limit } from '../access/rights.ts';
import { robotName } from '../accounts/names.ts';
import type { Credential, CredentialStore, Owner } from '../credentials/credential-store.ts';
import { hashSecret, makeId, makeSecret } from '../credentials/secret.ts';
import { EntryUnknownError, SettingInvalidError } from '../errors.ts';

/** What a new credential may do and for how long. */
export interface CredentialTerms {
  /** Nothing beyond; all that the owner may do unless given. What the owner loses it loses too. */
  readonly limits?: readonly Limit[];
  /** It never ends unless given. */
  readonly expiresAt?: Date;
}

/** A credential with its secret, which is kept nowhere. */
export interface MadeCredential {
  readonly credential: Credential;
  readonly secret: string;
}

/** Throws EntryUnknownError for the person, SettingInvalidError. */
export async function makePersonalToken(
  credentials: CredentialStore,
  account: string,
  label: string,
  terms: CredentialTerms,
): Promise<MadeCredential> {
  if (label.trim() === '' || label.length > 100) {
    throw new SettingInvalidError('say in at most 100 characters what the token is for');
  }
  return make(credentials, 'personal', label, { kind: 'user', name: account }, terms);
}

/** Throws EntryUnknownError for the owner, EntryExistsError, and SettingInvalidError, also without limits. */
export async function makeRobot(
  credentials: CredentialStore,
  owner: Owner,
  name: string,
  terms: CredentialTerms,
): Promise<MadeCredential> {
  if (terms.limits === undefined || terms.limits.length === 0) {
    throw new SettingInvalidError('a robot account needs scopes: say what it may do, such as team/*:pull');
  }
  return make(credentials, 'robot', robotName(owner, name), owner, terms);
}

/** Gives a robot another secret; the one of before no longer counts. Throws EntryUnknownError. */
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
    throw new SettingInvalidError('a token must end in the future');
  }
}
