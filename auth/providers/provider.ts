/** An OpenID Connect provider whose people may log in. */
export interface Provider {
  /** By which people choose it. */
  readonly name: string;
  readonly issuer: string;
  readonly clientId: string;
  /**
   * A secret, and kept readable: the provider wants to hear it at every login. Whoever reads the database (0600) has
   * it; it is never shown.
   */
  readonly clientSecret: string;
  /** The claim that names the account which a first login makes. */
  readonly nameClaim: string;
  /** The claim that lists somebody's groups. */
  readonly groupsClaim: string;
  /** Teams by group: whoever is in the group is in the team, as of their last login. */
  readonly groups: Readonly<Record<string, string>>;
}

/** Where providers are kept. Each method is one durable step. */
export interface ProviderStore {
  find(name: string): Promise<Provider | undefined>;
  /** All, by name. */
  list(): Promise<readonly Provider[]>;
  /** Throws EntryExistsError. */
  create(provider: Provider): Promise<void>;
  /** With its sessions; accounts and whom they belong to there stay. Answers whether it was there. */
  remove(name: string): Promise<boolean>;
}
