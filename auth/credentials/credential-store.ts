import type { Limit } from '../access/rights.ts';
import type { RowPage } from '../auth-database.ts';

/** Whose rights a credential stays within. */
export interface Owner {
  readonly kind: 'user' | 'team';
  readonly name: string;
}

/**
 * A long-lived secret that programs log in with. `personal`: its holder is the owner, a person. `robot`: its holder is
 * a robot account, which exists by this record.
 */
export interface Credential {
  /** For people, to name it by; no secret. */
  readonly id: string;
  readonly kind: 'personal' | 'robot';
  /** What a personal token is for; what a robot logs in as. */
  readonly name: string;
  readonly owner: Owner;
  /** Of secret.ts. */
  readonly secretHash: string;
  /** Nothing beyond this; all that the owner may do with repositories unless given. */
  readonly limits?: readonly Limit[];
  readonly createdAt: Date;
  readonly expiresAt?: Date;
  /** To an hour or so. */
  readonly lastUsedAt?: Date;
}

/** Where credentials are kept. Each method is one durable step, except `touch`, which a power cut may undo. */
export interface CredentialStore {
  find(id: string): Promise<Credential | undefined>;
  findBySecret(secretHash: string): Promise<Credential | undefined>;
  findRobot(name: string): Promise<Credential | undefined>;
  /** Of one owner or of all, by name, age and id; a page of them where one is given. */
  list(kind: Credential['kind'], owner?: Owner, page?: RowPage): Promise<readonly Credential[]>;
  /** Throws EntryExistsError for a robot whose name is taken, EntryUnknownError for the owner, SettingInvalidError when it has too many. */
  create(credential: Credential): Promise<void>;
  /** The secret of before no longer counts, nor do logins that were made with it. Throws EntryUnknownError. */
  replaceSecret(id: string, secretHash: string, expiresAt: Date | undefined): Promise<void>;
  touch(id: string, at: Date): Promise<void>;
  /** With the logins that were made with it. Answers whether it was there. */
  remove(id: string): Promise<boolean>;
}
