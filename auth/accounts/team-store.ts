import type { RowPage } from '../page-of-rows.ts';

/** People who have roles together. */
export interface Team {
  readonly name: string;
  /** Names of accounts, in order. */
  readonly members: readonly string[];
}

/** Where teams are kept. Each method is one durable step. */
export interface TeamStore {
  find(name: string): Promise<Team | undefined>;
  /** All, or a page of them, by name. */
  list(page?: RowPage): Promise<readonly Team[]>;
  /** Throws EntryExistsError. */
  create(name: string): Promise<void>;
  /** With its roles and robots. Throws EntryUnknownError. */
  remove(name: string): Promise<void>;
  /** Nothing happens when they are a member already. Throws EntryUnknownError for the team or the account. */
  join(team: string, account: string): Promise<void>;
  /** Answers whether they were a member. */
  leave(team: string, account: string): Promise<boolean>;
  /**
   * Of the teams `among`, makes the account a member of exactly those in `teams` that there are, as another system has
   * it. Throws EntryUnknownError for the account.
   */
  setTeamsOf(account: string, among: readonly string[], teams: readonly string[]): Promise<void>;
}
