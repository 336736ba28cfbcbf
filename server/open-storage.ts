import { join } from 'node:path';
import type { AppStore } from '../fleet/app-store.ts';
import type { HostStore } from '../fleet/host-store.ts';
import { FolderInUseError, type FolderLock, lockFolder } from '../lib/files/folder-lock.ts';
import { widerFiles } from '../lib/files/wider-files.ts';
import { ConfigError } from '../lib/settings/config-error.ts';
import { SNAPSHOTS_FOLDER } from '../storage/backup/snapshots.ts';
import type { BlobDriver, UploadLocks } from '../storage/blobs/blob-driver.ts';
import { BlobStore } from '../storage/blobs/blob-store.ts';
import {
  type FilesystemOptions,
  openFilesystemDriver,
} from '../storage/blobs/filesystem/filesystem-driver.ts';
import { replayWhenIdle } from '../storage/blobs/filesystem/replay-when-idle.ts';
import { FileUploadLocks } from '../storage/blobs/filesystem/upload-locks.ts';
import { HashThread } from '../storage/blobs/hashing/hash-thread.ts';
import { S3SettingsError } from '../storage/blobs/s3/s3-settings.ts';
import type { KeepsSideFiles, SideFiles } from '../storage/blobs/side-files.ts';
import type { BrowseCatalog } from '../storage/catalog/browse/browse-catalog.ts';
import { KnexBrowse } from '../storage/catalog/browse/knex-browse.ts';
import type { Catalog } from '../storage/catalog/catalog.ts';
import { type CatalogVersion, openCatalogVersion } from '../storage/catalog/catalog-version.ts';
import { type Database, type DatabaseOptions, openDatabase } from '../storage/catalog/database.ts';
import { hasCatalog, openCatalog } from '../storage/catalog/knex-catalog.ts';
import { refusalOf } from '../storage/catalog/postgres/refusal.ts';
import { DeviceWatch } from '../storage/device-watch.ts';
import { DiskReserve } from '../storage/disk-reserve.ts';
import { KnexAppStore } from '../storage/fleet/knex-app-store.ts';
import { KnexHostStore } from '../storage/fleet/knex-host-store.ts';
import { ReplicaMessages } from '../storage/fleet/replica-messages.ts';
import { NAMES_FOLDER } from '../storage/recovery-copies/names-snapshot.ts';
import { ROWS_FOLDER } from '../storage/recovery-copies/read-rows.ts';
import type { Config } from './config/config.ts';
import { onFolder, refusedFolder } from './on-folder.ts';
import { type UpgradeTerms, upgradeDatabase } from './upgrade/upgrade-database.ts';

/** Bytes of an upload to S3 between two records of its progress; at each record no request is in flight. */
const S3_SEGMENT_SIZE = 512 * 1024 * 1024;

const CHOOSE_ANOTHER = ': choose another with --data';

/** The settings of the storage. */
export type StorageConfig = Pick<Config, 'data' | 'database' | 'storage'>;

/** The open storage of a registry. */
export interface OpenedStorage extends AsyncDisposable {
  readonly database: Database;
  readonly catalog: Catalog;
  /** The parts of the catalog that people browse. */
  readonly browse: BrowseCatalog;
  readonly hosts: HostStore;
  readonly apps: AppStore;
  /** Messages to the other registries of the database; absent if there can be none. */
  readonly messages?: ReplicaMessages;
  readonly version: CatalogVersion;
  readonly blobs: BlobStore;
  /** Watches the device of the data folder. */
  readonly device: DeviceWatch;
  /** The reserve in the data folder. */
  readonly reserve: DiskReserve;
  /** Recovery copies for a lost database. */
  readonly sideFiles: SideFiles;
  /** Locks of uploads, if registries share the storage. */
  readonly uploadLocks?: UploadLocks;
}

/**
 * Opens the storage of a running registry, creates what is missing, and migrates the catalog's tables. Throws
 * ConfigError when it cannot be used, or another registry that cannot share it runs on it.
 */
export async function openStorage(
  config: StorageConfig,
  report: UpgradeTerms['report'] = () => undefined,
): Promise<OpenedStorage> {
  await using opened = new AsyncDisposableStack();
  const reserve = new DiskReserve(config.data);
  await reserve.releaseIfLow();
  if (config.database !== undefined) await replay(config);
  const lock = takeDataFolder(config);
  opened.defer(() => lock.release());
  const device = new DeviceWatch();
  const onDeviceFailure = (error: unknown) => device.report(error);
  const database = await openCatalogDatabase(config, reserve, { onDeviceFailure, report, isLocked: true });
  opened.defer(() => database.destroy());
  const isNew = !(await hasCatalog(database));
  const hashes = new HashThread();
  opened.defer(() => hashes.close());
  // A journal has a single writer: registries that share a folder have none.
  const driver = await openBlobDriver(config, config.database === undefined ? 'alone' : 'beside others', {
    reserve,
    onDeviceFailure,
  });
  opened.defer(() => driver.close());
  // Unrecorded content is garbage: with an empty catalog all of it would be deleted.
  if (isNew) await refuseContent(driver);
  const catalog = await openCatalog(database);
  const version = await openVersion(config);
  opened.defer(() => version.close());
  const segmentSize = config.storage === undefined ? undefined : S3_SEGMENT_SIZE;
  const blobs = new BlobStore(driver, hashes, segmentSize);
  const uploadLocks = await openUploadLocks(config, opened);
  await reserve.restore();
  const resources = opened.move();
  return {
    database,
    catalog,
    browse: new KnexBrowse(database),
    hosts: new KnexHostStore(database),
    apps: new KnexAppStore(database),
    ...(config.database !== undefined && { messages: new ReplicaMessages(database) }),
    version,
    blobs,
    device,
    reserve,
    sideFiles: driver.sideFiles,
    ...(uploadLocks && { uploadLocks }),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** Throws ConfigError when there is content. */
async function refuseContent(driver: BlobDriver): Promise<void> {
  for await (const { digest } of driver.listBlobs()) {
    throw new ConfigError(
      `the database is new, but the storage has content (${digest}) of another database: give that one with ` +
        '--data or --database, or rebuild it with "berth catalog rebuild"',
    );
  }
}

export interface CatalogOptions extends Pick<DatabaseOptions, 'onDeviceFailure'> {
  /** Receives sentences about an upgrade; by default they are dropped. */
  readonly report?: UpgradeTerms['report'];
  /** Whether this process has the lock of the data folder. */
  readonly isLocked?: boolean;
}

/**
 * Opens the database of the catalog and accounts; creates one in the data folder if needed. Upgrades that of an earlier
 * version. Throws ConfigError.
 */
export async function openCatalogDatabase(
  config: StorageConfig,
  reserve: DiskReserve = new DiskReserve(config.data),
  { report = () => undefined, isLocked = false, ...options }: CatalogOptions = {},
): Promise<Database> {
  const database = await openUnchangedDatabase(config, reserve, options);
  try {
    const lock = () => (isLocked ? { release: () => undefined } : lockForUpgrade(config));
    await upgradeDatabase(database, { data: config.data, lock, report });
    return database;
  } catch (error) {
    await database.destroy();
    throw error;
  }
}

/** Opens the database as openCatalogDatabase does, without an upgrade. Throws ConfigError. */
export async function openUnchangedDatabase(
  config: StorageConfig,
  reserve: DiskReserve = new DiskReserve(config.data),
  options: Pick<DatabaseOptions, 'onDeviceFailure'> = {},
): Promise<Database> {
  if (config.database === undefined) {
    return inDataFolder(config, () => {
      const makeRoom = () => reserve.release();
      return openDatabase({ file: sqliteFile(config), makeRoom, ...options });
    });
  }
  // Without PostgreSQL, its client need not be loaded.
  const { openPostgres } = await import('../storage/catalog/postgres/open-postgres.ts');
  try {
    return await openPostgres(config.database);
  } catch (cause) {
    throw new ConfigError(refusalOf(config.database, cause), { cause });
  }
}

/** Opens the blob driver; `use` says whether other processes write there. Throws ConfigError when it cannot be used. */
export async function openBlobDriver(
  config: StorageConfig,
  use: 'alone' | 'beside others' = 'beside others',
  shared: Pick<FilesystemOptions, 'reserve' | 'onDeviceFailure'> = { reserve: new DiskReserve(config.data) },
): Promise<BlobDriver & KeepsSideFiles & { close(): Promise<void> }> {
  const { data, storage } = config;
  if (storage === undefined) {
    const options = { ...shared, journal: use === 'alone' };
    return inDataFolder({ data }, () => openFilesystemDriver(data, options));
  }
  // The libraries of S3 take long to load.
  const { openS3Driver } = await import('../storage/blobs/s3/open-s3-driver.ts');
  try {
    return await openS3Driver(storage);
  } catch (cause) {
    if (!(cause instanceof S3SettingsError)) throw cause;
    throw new ConfigError(`the storage cannot be used: ${cause.message}`, { cause });
  }
}

/** Restores blobs that a power cut may have taken from a data folder without a running registry. Throws ConfigError. */
export function replay({ data }: Pick<StorageConfig, 'data'>): Promise<void> {
  return inDataFolder({ data }, () => replayWhenIdle(data));
}

/** Runs the first access to the data folder. Throws ConfigError when it cannot be used. */
function inDataFolder<Result>(
  { data }: Pick<StorageConfig, 'data'>,
  work: () => Promise<Result>,
): Promise<Result> {
  return onFolder(`the data folder ${data}`, CHOOSE_ANOTHER, work);
}

/** Returns the file of the catalog if no other database is configured. */
export function sqliteFile({ data }: Pick<StorageConfig, 'data'>): string {
  return join(data, 'catalog.sqlite');
}

async function openVersion(config: StorageConfig): Promise<CatalogVersion> {
  if (config.database === undefined) return openCatalogVersion(sqliteFile(config));
  const { openPostgresVersion } = await import('../storage/catalog/postgres/postgres-version.ts');
  return openPostgresVersion(config.database);
}

/** Opens the locks of uploads if other processes may write to the same ones. */
async function openUploadLocks(
  { data, database, storage }: StorageConfig,
  opened: AsyncDisposableStack,
): Promise<UploadLocks | undefined> {
  if (database === undefined) return undefined;
  if (storage === undefined) return new FileUploadLocks(data);
  const { PostgresUploadLocks } = await import('../storage/catalog/postgres/postgres-upload-locks.ts');
  const locks = new PostgresUploadLocks(database);
  opened.defer(() => locks.close());
  return locks;
}

function lockForUpgrade({ data }: StorageConfig): FolderLock {
  try {
    return lockFolder(data);
  } catch (cause) {
    if (!(cause instanceof FolderInUseError)) throw cause;
    throw new ConfigError(
      `a registry of an earlier version runs on the data folder ${data}: stop it, and start it again as this version`,
      { cause },
    );
  }
}

/** Registries that have their catalog in one database share the folder of their blobs. */
function takeDataFolder({ data, database }: StorageConfig): FolderLock {
  try {
    return lockFolder(data, database === undefined ? 'alone' : 'shared');
  } catch (cause) {
    if (cause instanceof FolderInUseError) {
      throw new ConfigError(`another berth is already running on the data folder ${data}`, { cause });
    }
    throw refusedFolder(`the data folder ${data}`, CHOOSE_ANOTHER, cause) ?? cause;
  }
}

/**
 * Describes files of a data folder, other than content, that users other than its owner may access: a sentence for
 * each.
 */
export function describeWiderFiles(data: string): readonly string[] {
  return widerFiles(data, [NAMES_FOLDER, ROWS_FOLDER, SNAPSHOTS_FOLDER]).map(
    ({ path, mode }) =>
      `${path} may hold secrets, and others on this machine may use it (mode ${mode}): run chmod 600 ${path}`,
  );
}
