/** An OpenID Connect provider whose users may log in. */
export interface Provider {
  /** The name by which people choose it. */
  readonly name: string;
  readonly issuer: string;
  readonly clientId: string;
  /**
   * A secret in plain text, because the provider requires it at every login. It is never shown, but the database (mode
   * 0600) reveals it.
   */
  readonly clientSecret: string;
  /** The claim that names the account of a first login. */
  readonly nameClaim: string;
  /** The claim that lists a person's groups. */
  readonly groupsClaim: string;
  /** Teams by group: members of the group are members of the team, as of their last login. */
  readonly groups: Readonly<Record<string, string>>;
}

/** Stores providers. Each method is one durable step. */
export interface ProviderStore {
  find(name: string): Promise<Provider | undefined>;
  /** Lists all, by name. */
  list(): Promise<readonly Provider[]>;
  /** Throws EntryExistsError. */
  create(provider: Provider): Promise<void>;
  /** Removes a provider with its sessions; accounts and their links stay. Returns whether it existed. */
  remove(name: string): Promise<boolean>;
}
