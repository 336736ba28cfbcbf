import type { Logger } from 'pino';
import { KEPT_ACCOUNT_TABLES, KEPT_PROVIDERS } from '../auth/kept-tables.ts';
import type { DiskReserve } from '../storage/disk-reserve.ts';
import { garbagePolicy } from '../storage/gc/garbage-policy.ts';
import { type CopiedTable, FLEET_TABLES, RULE_TABLES } from '../storage/recovery-copies/copied-tables.ts';
import { readRows } from '../storage/recovery-copies/read-rows.ts';
import type { Refusals } from './audit/refusals.ts';
import { collectGarbageOnSchedule, type EndedCollection } from './background/collect-garbage-on-schedule.ts';
import { NAMES_LEASE, NameSnapshots } from './background/name-snapshots.ts';
import { pruneAuditOnSchedule } from './background/prune-audit.ts';
import type { PullRecorder, PullSamples } from './background/pull-recorder.ts';
import { repeat } from './background/repeat.ts';
import { ROWS_LEASE, RowSnapshots } from './background/row-snapshots.ts';
import { SharedDuty } from './background/shared-duty.ts';
import type { Config } from './config/config.ts';
import type { OpenedStorage } from './open-storage.ts';
import type { Deliver } from './webhooks/deliver.ts';
import { WEBHOOKS_LEASE, WebhookDispatcher } from './webhooks/webhook-dispatcher.ts';

export interface BackgroundDependencies {
  readonly config: Pick<
    Config,
    'accountCopies' | 'auditRetention' | 'database' | 'gcGrace' | 'gcInterval' | 'gcUntagged'
  >;
  readonly storage: OpenedStorage;
  readonly deliver: Deliver;
  readonly pulls: PullSamples;
  readonly pullTimes: PullRecorder;
  readonly refusals: Refusals;
  readonly log: Logger;
  /** Called after each garbage collection. */
  readonly onCollection: (collection: EndedCollection) => void;
}

/**
 * Starts the background work of a registry: copies for recovery, webhooks, the audit, the disk reserve and garbage
 * collection. Each promise resolves after `signal` has aborted.
 */
export function startBackgroundWork(
  { config, storage, deliver, pulls, pullTimes, refusals, log, onCollection }: BackgroundDependencies,
  signal: AbortSignal,
): Promise<void>[] {
  const { blobs, catalog } = storage;
  const dutyOf = (name: string, leaseMs: number) =>
    config.database === undefined ? undefined : new SharedDuty(catalog.garbage, name, leaseMs);
  const duty = dutyOf('name-snapshots', NAMES_LEASE);
  const telling = dutyOf('webhooks', WEBHOOKS_LEASE);
  const dispatcher = new WebhookDispatcher({
    webhooks: catalog.webhooks,
    deliver,
    pulls,
    log,
    ...(telling && { duty: telling }),
  });
  const names = new NameSnapshots(catalog.names, storage.sideFiles, log, duty);
  const rows = () => readRows(storage.database, KEPT_TABLES);
  const snapshots = new RowSnapshots(rows, storage.sideFiles, log, dutyOf('row-snapshots', ROWS_LEASE));
  const running = [
    names.keep(signal),
    ...(config.accountCopies ? [snapshots.keep(signal)] : []),
    dispatcher.keep(signal),
    refusals.keep(signal),
    pullTimes.keep(signal, log),
    restoreReserve(storage.reserve, signal, log),
    pruneAuditOnSchedule(catalog.audit, config.auditRetention, signal, log),
  ];
  if (config.gcInterval !== undefined) {
    const { gcInterval: interval, gcGrace: graceMs, gcUntagged: untagged } = config;
    running.push(
      collectGarbageOnSchedule(
        {
          audit: catalog.audit,
          catalog,
          blobs,
          policy: garbagePolicy(graceMs, untagged),
          signal,
        },
        interval,
        log,
        onCollection,
      ),
    );
  }
  return running;
}

/** The tables that are copied for recovery; names have their own snapshots. */
export const KEPT_TABLES: readonly CopiedTable[] = [
  ...KEPT_ACCOUNT_TABLES,
  KEPT_PROVIDERS,
  ...RULE_TABLES,
  ...FLEET_TABLES,
];

const RHYTHM = { first: 10_000, every: 10_000 };

/** Restores the disk reserve when there is space, until `signal` aborts; logs each change. */
function restoreReserve(reserve: DiskReserve, signal: AbortSignal, log: Logger): Promise<void> {
  let whole = true;
  const restore = async () => {
    const before = whole;
    whole = await reserve.restore();
    if (before && !whole) {
      log.error(
        'the device is full: nothing can be pushed until there is space; deletes and logins still work',
      );
    }
    if (!before && whole) log.info('the device has space again: pushes are accepted');
  };
  return repeat(restore, RHYTHM, signal, (error) =>
    log.error({ err: error }, 'the disk reserve could not be checked'),
  );
}
