/** Maximum characters of `sub`, in the table `linked_accounts` and in OpenID Connect. */
export const LONGEST_SUBJECT = 255;

/** A person at a provider: `sub` never changes there and is never reused (OpenID Connect Core, 2). */
export interface ProviderSubject {
  readonly issuer: string;
  readonly subject: string;
}

/** Links of accounts to people at providers. Each method is one durable step. */
export interface LinkedAccountStore {
  /** Returns the name of the account. */
  find(subject: ProviderSubject): Promise<string | undefined>;
  /**
   * Creates an account without a password for the subject. Throws AccountExistsError, and changes nothing, when the
   * name is taken: a login never takes over an existing account. Returns the subject's existing account when a
   * concurrent login has created it.
   */
  create(subject: ProviderSubject, account: string): Promise<string>;
  /** Returns the people who log in to an account. */
  of(account: string): Promise<readonly ProviderSubject[]>;
  /**
   * Links an existing account to a subject. Throws EntryUnknownError when it does not exist, and AccountExistsError
   * when the subject has another account; succeeds when the link exists.
   */
  link(subject: ProviderSubject, account: string): Promise<void>;
  /** Removes the link of an account to an issuer; returns whether there was one. */
  unlink(issuer: string, account: string): Promise<boolean>;
}
