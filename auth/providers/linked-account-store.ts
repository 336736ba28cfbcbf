/** Maximum characters of `sub`, in the table `linked_accounts` and in OpenID Connect. */
export const LONGEST_SUBJECT = 255;

/** Somebody as a provider knows them: `sub` never changes there and is never given to another (OpenID Connect Core, 2). */
export interface ProviderSubject {
  readonly issuer: string;
  readonly subject: string;
}

/** Which accounts belong to whom at providers. Each method is one durable step. */
export interface LinkedAccountStore {
  /** The name of the account. */
  find(subject: ProviderSubject): Promise<string | undefined>;
  /**
   * Makes an account without a password that belongs to the subject. Throws AccountExistsError, and changes nothing,
   * when there is an account of the name: nobody takes over what was there before. Answers the name of the account
   * that the subject has already where another login was faster.
   */
  create(subject: ProviderSubject, account: string): Promise<string>;
  /** Who logs in to an account. */
  of(account: string): Promise<readonly ProviderSubject[]>;
  /**
   * Gives an account that is there to a subject. Throws EntryUnknownError when it is not there, and AccountExistsError when the
   * subject has another one; no error when it has this one.
   */
  link(subject: ProviderSubject, account: string): Promise<void>;
  /** Takes an account from whoever has it at an issuer; answers whether somebody had. */
  unlink(issuer: string, account: string): Promise<boolean>;
}
