import { join } from 'node:path';
import type { Logger } from 'pino';
import { ADMIN_ACCESS, OPEN_ACCESS } from '../auth/access/access.ts';
import { ACCOUNT_MIGRATIONS } from '../auth/accounts/account-migrations.ts';
import type { AccountStore } from '../auth/accounts/account-store.ts';
import { ensureAdmin } from '../auth/accounts/first-admin.ts';
import { KnexAccountStore } from '../auth/accounts/knex-account-store.ts';
import { KnownCredentials } from '../auth/authenticators/known-credentials.ts';
import { PasswordAuthenticator } from '../auth/authenticators/password-authenticator.ts';
import { PasswordRefusedError } from '../auth/errors.ts';
import { BlobStore } from '../storage/blobs/blob-store.ts';
import { openFilesystemDriver } from '../storage/blobs/filesystem/filesystem-driver.ts';
import { HashThread } from '../storage/blobs/hashing/hash-thread.ts';
import { openCatalogVersion } from '../storage/catalog/catalog-version.ts';
import { openDatabase } from '../storage/catalog/database.ts';
import { openCatalog } from '../storage/catalog/knex-catalog.ts';
import { migrate } from '../storage/catalog/migrate.ts';
import { ContentStore } from '../storage/content-store.ts';
import { FolderInUseError, lockFolder } from '../storage/folder-lock.ts';
import { namesFolder } from '../storage/names/snapshot-files.ts';
import { createApp } from './app.ts';
import { collectGarbageOnSchedule } from './background/collect-garbage-on-schedule.ts';
import { NameSnapshots } from './background/name-snapshots.ts';
import { type Config, ConfigError, type ListenAddress } from './config.ts';
import { HttpServer } from './http/http-server.ts';
import { LogSampler } from './log-sampler.ts';
import { malformedAnswer } from './malformed-answer.ts';
import { exposeGauges } from './metrics/expose-gauges.ts';
import { MetricSet } from './metrics/metric-set.ts';
import { startMetricsServer } from './metrics/metrics-server.ts';
import { countRequests } from './metrics/request-metrics.ts';
import { createQuickAnswers } from './quick-answers.ts';
import { AnswerCache } from './registry/answer-cache.ts';
import { BlobBodies } from './registry/blob-bodies.ts';
import { BoundedManifestCache } from './registry/manifest-cache.ts';
import { UploadSessions } from './registry/upload-sessions.ts';
import { sweepUploads } from './registry/upload-sweeper.ts';
import { RequestRecorder } from './request-recorder.ts';
import { FileSender } from './sendfile/file-sender.ts';

const MANIFEST_CACHE_BYTES = 16 * 1024 * 1024;
const ANSWER_CACHE_BYTES = 16 * 1024 * 1024;
/** Of successful GET and HEAD requests. */
const LOG_SAMPLING = { always: 100, oneIn: 100 };

/** A registry that answers. */
export interface RunningRegistry {
  /** `http://HOST:PORT`. */
  readonly url: string;
  /** Where Prometheus is answered, if anywhere: `http://HOST:PORT/metrics`. */
  readonly metricsUrl?: string;
  /** Finishes running requests for at most `graceMs`, then closes everything. Answers whether all could finish. */
  stop(graceMs: number): Promise<boolean>;
}

/** The composition root: everything that a registry consists of, wired and listening. Throws ConfigError. */
export async function startRegistry(
  config: Config,
  log: Logger,
  say: (line: string) => void,
): Promise<RunningRegistry> {
  // What has been opened is closed in the opposite order, also when a later step fails.
  await using opened = new AsyncDisposableStack();
  const lock = takeDataFolder(config.data);
  opened.defer(() => lock.release());
  const file = join(config.data, 'catalog.sqlite');
  const database = await openDatabase({ file });
  opened.defer(() => database.destroy());
  const catalog = await openCatalog(database);
  const version = openCatalogVersion(file);
  opened.defer(() => version.close());
  await migrate(database, 'auth_migrations', ACCOUNT_MIGRATIONS);
  const hashes = new HashThread();
  opened.defer(() => hashes.close());
  const blobs = new BlobStore(await openFilesystemDriver(config.data), hashes);

  const accounts = new KnexAccountStore(database);
  if (config.auth === 'accounts') await makeAdmin(accounts, config, say);

  const files = new FileSender();
  opened.defer(() => files.close());
  const metrics = new MetricSet();
  const answers = new AnswerCache(() => version.names(), ANSWER_CACHE_BYTES);
  const content = new ContentStore(catalog, blobs);
  const uploads = new UploadSessions(catalog, blobs, content);
  const shared = {
    authenticator:
      config.auth === 'none'
        ? undefined
        : new PasswordAuthenticator(accounts, new KnownCredentials(() => version.everything())),
    isDraining: () => server.draining,
    log,
    recorder: new RequestRecorder(
      log,
      new LogSampler(LOG_SAMPLING),
      config.trustedProxies,
      countRequests(metrics),
    ),
  };
  const access = config.auth === 'none' ? OPEN_ACCESS : ADMIN_ACCESS;
  const app = createApp({
    ...shared,
    health: { isReady: () => !server.draining && Number.isInteger(version.everything()) },
    registry: {
      access,
      answers,
      blobBodies: new BlobBodies(blobs, files),
      blobs,
      catalog,
      content,
      deletes: config.deletes,
      manifestCache: new BoundedManifestCache(MANIFEST_CACHE_BYTES),
      pathPrefix: config.pathPrefix,
      uploads,
    },
    corsOrigins: config.corsOrigins,
    proxies: config.trustedProxies,
  });
  const answerQuickly = createQuickAnswers({ ...shared, access, answers });
  const answerAtLength = app.callback();
  const server = new HttpServer({
    handle: (req, res) => {
      if (!answerQuickly(req, res)) answerAtLength(req, res);
    },
    malformedAnswer,
  });
  exposeGauges(metrics, { answers, server, uploads });
  const metricsUrl = config.metrics && (await serveMetrics(metrics, config.metrics, opened));
  const port = await onAddress(config.listen, ({ host, port }) => server.listen(host, port));

  if (config.auth === 'none') {
    log.warn('--auth none: everybody who reaches this registry may read, write and delete');
  }
  const background = new AbortController();
  const snapshots = new NameSnapshots(catalog.names, namesFolder(config.data), log);
  const running = [snapshots.keep(background.signal)];
  if (config.gcInterval !== undefined) {
    running.push(collectGarbageOnSchedule(catalog, blobs, config.gcInterval, log, background.signal));
  }
  opened.defer(async () => {
    background.abort();
    await Promise.all(running);
  });
  sweepUploads(uploads, log, background.signal);

  const resources = opened.move();
  return {
    url: urlOf(config.listen.host, port),
    ...(metricsUrl !== undefined && { metricsUrl }),
    stop: async (graceMs) => {
      const finished = await server.drain(graceMs);
      await resources.disposeAsync();
      return finished;
    },
  };
}

function takeDataFolder(folder: string) {
  try {
    return lockFolder(folder);
  } catch (cause) {
    if (cause instanceof FolderInUseError) {
      throw new ConfigError(`another berth is already running on the data folder ${folder}`, { cause });
    }
    const { code } = cause as NodeJS.ErrnoException;
    throw new ConfigError(`the data folder ${folder} cannot be used (${code}): choose another with --data`, {
      cause,
    });
  }
}

async function makeAdmin(accounts: AccountStore, config: Config, say: (line: string) => void): Promise<void> {
  try {
    const admin = await ensureAdmin(accounts, config.adminPassword);
    if (admin.kind !== 'made-with-password') return;
    say('This is the first start. Log in with these; the password is not shown again:');
    say(`  user      ${admin.name}`);
    say(`  password  ${admin.password}`);
  } catch (cause) {
    if (!(cause instanceof PasswordRefusedError)) throw cause;
    throw new ConfigError(`BERTH_ADMIN_PASSWORD cannot be used: ${cause.message}`, { cause });
  }
}

async function serveMetrics(
  metrics: MetricSet,
  address: ListenAddress,
  opened: AsyncDisposableStack,
): Promise<string> {
  const { port, close } = await onAddress(address, (to) => startMetricsServer(metrics, to));
  opened.defer(close);
  return `${urlOf(address.host, port)}/metrics`;
}

function urlOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Runs what listens on an address; throws ConfigError when the system refuses it. */
async function onAddress<Result>(
  address: ListenAddress,
  work: (address: ListenAddress) => Promise<Result>,
): Promise<Result> {
  try {
    return await work(address);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why =
      code === 'EADDRINUSE' ? 'the address is in use by another program' : `the system says ${code}`;
    throw new ConfigError(`cannot listen on ${address.host}:${address.port}: ${why}`, { cause });
  }
}
