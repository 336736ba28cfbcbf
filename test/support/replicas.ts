import { join } from 'node:path';
import type { CleanupScope } from './cleanup.ts';
import { type Postgres, startPostgres } from './postgres.ts';
import { type RegistryProcess, startRegistry } from './registry-process.ts';
import { type RoundRobin, startRoundRobin } from './round-robin.ts';
import { makeTempDir } from './temp-dir.ts';

export interface ReplicasOptions {
  /** Three unless given. */
  readonly count?: number;
  /** One that runs; a fresh one unless given. */
  readonly postgres?: Postgres;
  /** More of `berth serve`'s flags. */
  readonly args?: readonly string[];
}

/** Registries over one database and one folder, and what spreads requests over them. */
export interface Replicas extends RoundRobin {
  readonly servers: readonly RegistryProcess[];
  readonly postgres: Postgres;
  /** Of their database. */
  readonly database: string;
  readonly dataDir: string;
}

/** Starts several `berth serve` at once, as processes, open to all. */
export async function startReplicas(scope: CleanupScope, options: ReplicasOptions = {}): Promise<Replicas> {
  const postgres = options.postgres ?? (await startPostgres(scope));
  const database = await postgres.createDatabase();
  const dataDir = join(await makeTempDir(scope, 'replicas'), 'data');
  const args = ['--database', database, ...(options.args ?? [])];
  const servers = await Promise.all(
    Array.from({ length: options.count ?? 3 }, () => startRegistry(scope, { dataDir, args })),
  );
  const balancer = await startRoundRobin(
    scope,
    servers.map(({ url }) => url),
  );
  return { ...balancer, servers, postgres, database, dataDir };
}
