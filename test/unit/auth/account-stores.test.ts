import { describeAccountStore } from '../../contract/account-store.ts';
import { MemoryAccountStore } from './memory-account-store.ts';

describeAccountStore('in memory', async () => new MemoryAccountStore());
