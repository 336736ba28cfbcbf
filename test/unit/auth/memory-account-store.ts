import type { Account, AccountStore } from '../../../auth/accounts/account-store.ts';
import { AccountExistsError } from '../../../auth/errors.ts';

/** Accounts in memory, for tests of what stands on the port. */
export class MemoryAccountStore implements AccountStore {
  readonly accounts = new Map<string, Account>();

  async find(name: string): Promise<Account | undefined> {
    return this.accounts.get(name);
  }

  async create(account: Account): Promise<void> {
    if (this.accounts.has(account.name)) throw new AccountExistsError(`there is ${account.name} already`);
    this.accounts.set(account.name, account);
  }
}
