import { join } from 'node:path';
import type { Role } from '../../auth/access/role.ts';
import { parseLimits } from '../../auth/administration/limits.ts';
import { makeRobot } from '../../auth/administration/make-credential.ts';
import { openTestAuthStore, type TestAuthStore } from './auth-store.ts';
import type { CleanupScope } from './cleanup.ts';
import { hashPassword } from './hash-password.ts';
import { basicAuthorization } from './http-client.ts';
import {
  type InProcessOptions,
  type InProcessRegistry,
  startInProcessRegistry,
} from './in-process-registry.ts';
import { createRegistryClient, type RegistryClient } from './registry-client.ts';

export const ADMIN_PASSWORD = 'a password of tests';

export interface RegistryWithAccounts extends InProcessRegistry {
  /** The server's own accounts, through a connection of the test's. */
  readonly store: TestAuthStore;
  readonly admin: RegistryClient;
  /** Makes a person with the password ADMIN_PASSWORD and roles by pattern; answers an Authorization header. */
  addUser(name: string, roles?: Readonly<Record<string, Role>>): Promise<string>;
  /** Makes a robot of the administrator; answers an Authorization header. */
  addRobot(name: string, ...scopes: readonly string[]): Promise<string>;
  /** A token of `GET /token`; without an Authorization header an anonymous one. */
  token(authorization: string | undefined, ...scopes: readonly string[]): Promise<string>;
}

/** The whole registry with an administrator `admin`. */
export async function startRegistryWithAccounts(
  scope: CleanupScope,
  options: InProcessOptions = {},
): Promise<RegistryWithAccounts> {
  const registry = await startInProcessRegistry(scope, {
    auth: 'accounts',
    adminPassword: ADMIN_PASSWORD,
    ...options,
  });
  const store = await openTestAuthStore(scope, join(registry.data, 'catalog.sqlite'));
  const passwordHash = await hashPassword(ADMIN_PASSWORD);
  return {
    ...registry,
    store,
    admin: createRegistryClient(registry.url, { name: 'admin', password: ADMIN_PASSWORD }),
    addUser: async (name, roles = {}) => {
      await store.accounts.create({ name, passwordHash, admin: false, createdAt: new Date() });
      for (const [pattern, role] of Object.entries(roles)) {
        await store.roles.put({ holder: { kind: 'user', name }, pattern, role });
      }
      return basicAuthorization(name, ADMIN_PASSWORD);
    },
    addRobot: async (name, ...scopes) => {
      const owner = { kind: 'user', name: 'admin' } as const;
      const { credential, secret } = await makeRobot(store.credentials, owner, name, {
        limits: parseLimits(scopes),
      });
      return basicAuthorization(credential.name, secret);
    },
    token: async (authorization, ...scopes) => {
      const query = new URLSearchParams([['service', 'berth'], ...scopes.map((text) => ['scope', text])]);
      const headers = authorization === undefined ? {} : { authorization };
      const answer = await registry.send('GET', `/token?${query}`, { headers });
      if (answer.status !== 200) throw new Error(`no token: ${answer.status} ${answer.body}`);
      return JSON.parse(answer.body.toString()).token;
    },
  };
}
