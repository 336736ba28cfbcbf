import { join } from 'node:path';
import type { AppReport } from '../../fleet/report.ts';
import type { AppTarget } from '../../fleet/target.ts';
import { openDatabase } from '../../storage/catalog/database.ts';
import { KnexHostStore } from '../../storage/fleet/knex-host-store.ts';
import { type CleanupScope, defer } from './cleanup.ts';
import { basicAuthorization } from './http-client.ts';
import type { InProcessOptions } from './in-process-registry.ts';
import { type JoinedHost, joinHost, postJson } from './joined-host.ts';
import {
  ADMIN_PASSWORD,
  type RegistryWithAccounts,
  startRegistryWithAccounts,
} from './registry-with-accounts.ts';

export const ADMIN = basicAuthorization('admin', ADMIN_PASSWORD);

export interface FleetRegistry extends RegistryWithAccounts {
  /** The hosts of the registry, through a connection of the test's: changes are those of another process. */
  readonly hosts: KnexHostStore;
  /** The text of a new join token. */
  joinToken(labels?: Readonly<Record<string, string>>): Promise<string>;
  join(name: string, labels?: Readonly<Record<string, string>>): Promise<JoinedHost>;
  /** A request of the management API, as the administrator unless said otherwise. */
  manage(method: string, path: string, body?: object, authorization?: string): Promise<Response>;
  /** What the audit says about something, in its detail or name. */
  audited(about: RegExp): Promise<readonly Record<string, unknown>[]>;
}

/** A registry with an administrator, and hosts. */
export async function startFleetRegistry(
  scope: CleanupScope,
  options: InProcessOptions = {},
): Promise<FleetRegistry> {
  const registry = await startRegistryWithAccounts(scope, options);
  const database = await openDatabase({ file: join(registry.data, 'catalog.sqlite') });
  defer(scope, () => database.destroy());
  const { url } = registry;
  const manage = (method: string, path: string, body?: object, authorization = ADMIN) =>
    fetch(`${url}/api/v1${path}`, {
      method,
      headers: { Authorization: authorization, ...(body && { 'Content-Type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
  const joinToken = async (labels = {}) => {
    const answer = await postJson(`${url}/api/v1/host-tokens`, { labels }, { Authorization: ADMIN });
    return String(((await answer.json()) as { token: unknown }).token);
  };
  return {
    ...registry,
    hosts: new KnexHostStore(database),
    joinToken,
    join: async (name, labels) => joinHost(scope, url, await joinToken(labels), name),
    manage,
    audited: async (about) => {
      const answer = await manage('GET', '/audit?limit=1000');
      const { events } = (await answer.json()) as { events: Record<string, unknown>[] };
      return events.filter(({ detail, who }) => about.test(`${who} ${detail}`));
    },
  };
}

/** The target of an app without services. */
export function emptyTarget(app: string, number = 1): AppTarget {
  return {
    app,
    release: { number, services: [], volumes: [], networks: [], configs: [], secrets: [] },
    attempt: 1,
    timeout: 60_000,
    prefetch: [],
    keep: [],
  };
}

export function healthyReport(app: string, release = 1): AppReport {
  return { app, release, attempt: 1, phase: 'healthy', instances: [], jobs: {}, prefetched: true };
}
