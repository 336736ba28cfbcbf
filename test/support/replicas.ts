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
  /** `s3://…`, in place of a folder that they share: then each has a data folder of its own. */
  readonly storage?: string;
  /** More of `berth serve`'s flags. */
  readonly args?: readonly string[];
}

/** Registries over one database and one folder or bucket, and their load balancer. */
export interface Replicas extends RoundRobin {
  readonly servers: readonly RegistryProcess[];
  readonly postgres: Postgres;
  /** Of their database. */
  readonly database: string;
  /** What tells commands such as `berth fsck` where everything is. */
  readonly where: readonly string[];
  /** The folder that they share, or that of the first one. */
  readonly dataDir: string;
}

/** Starts several `berth serve` at once, as processes, open to all. */
export async function startReplicas(scope: CleanupScope, options: ReplicasOptions = {}): Promise<Replicas> {
  const { storage, count = 3 } = options;
  const postgres = options.postgres ?? (await startPostgres(scope));
  const database = await postgres.createDatabase();
  const folder = await makeTempDir(scope, 'replicas');
  const places = ['--database', database, ...(storage === undefined ? [] : ['--storage', storage])];
  const servers = await Promise.all(
    Array.from({ length: count }, (_, index) =>
      startRegistry(scope, {
        dataDir: join(folder, storage === undefined ? 'data' : `data-${index}`),
        args: [...places, ...(options.args ?? [])],
      }),
    ),
  );
  const balancer = await startRoundRobin(
    scope,
    servers.map(({ url }) => url),
  );
  const dataDir = servers[0]?.dataDir ?? folder;
  return { ...balancer, servers, postgres, database, where: ['--data', dataDir, ...places], dataDir };
}
