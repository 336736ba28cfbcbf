import { join } from 'node:path';
import type { AuthStore } from '../../auth/auth-store.ts';
import { openAccounts } from '../../server/open-auth.ts';
import { type Database, openDatabase } from '../../storage/catalog/database.ts';
import { type CleanupScope, defer } from './cleanup.ts';
import { makeTempDir } from './temp-dir.ts';

export interface TestAuthStore extends AuthStore {
  readonly database: Database;
}

/** An empty store of accounts, roles and tokens, in an SQLite file of its own or in `file`. */
export async function openTestAuthStore(scope: CleanupScope, file?: string): Promise<TestAuthStore> {
  const database = await openDatabase({ file: file ?? join(await makeTempDir(scope), 'auth.sqlite') });
  defer(scope, () => database.destroy());
  return { ...(await openAccounts(database)), database };
}
