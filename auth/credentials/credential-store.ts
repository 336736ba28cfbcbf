import type { Limit } from '../access/rights.ts';
import type { RowPage } from '../auth-database.ts';

/** The owner of a credential; the credential stays within the owner's rights. */
export interface Owner {
  readonly kind: 'user' | 'team';
  readonly name: string;
}

/**
 * A long-lived secret that programs log in with. `personal`: its holder is the owner, a person. `robot`: its holder is
 * a robot account, which this record defines.
 */
export interface Credential {
  /** Identifies the credential for people; not secret. */
  readonly id: string;
  readonly kind: 'personal' | 'robot';
  /** The purpose of a personal token; the login name of a robot. */
  readonly name: string;
  readonly owner: Owner;
  /** From secret.ts. */
  readonly secretHash: string;
  /** Upper bound of its rights; by default all repository rights of the owner. */
  readonly limits?: readonly Limit[];
  readonly createdAt: Date;
  readonly expiresAt?: Date;
  /** Accurate to about an hour. */
  readonly lastUsedAt?: Date;
}

/** Stores credentials. Each method is one durable step, except `touch`, which a power cut may undo. */
export interface CredentialStore {
  find(id: string): Promise<Credential | undefined>;
  findBySecret(secretHash: string): Promise<Credential | undefined>;
  findRobot(name: string): Promise<Credential | undefined>;
  /** Lists those of one owner or of all, or a page of them, by name, age and id. */
  list(kind: Credential['kind'], owner?: Owner, page?: RowPage): Promise<readonly Credential[]>;
  /**
   * Throws EntryExistsError for a robot whose name is taken, EntryUnknownError for the owner, SettingInvalidError when
   * it has too many.
   */
  create(credential: Credential): Promise<void>;
  /** Invalidates the old secret and the logins made with it. Throws EntryUnknownError. */
  replaceSecret(id: string, secretHash: string, expiresAt: Date | undefined): Promise<void>;
  touch(id: string, at: Date): Promise<void>;
  /** Removes a credential with the logins made with it. Returns whether it existed. */
  remove(id: string): Promise<boolean>;
}
