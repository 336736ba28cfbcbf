import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { listen } from '../lib/http/listen.ts';
import { http } from '../lib/http/node-http.ts';
import { COMMON_HEADERS } from '../lib/http/plain-server.ts';
import { chooseProxy } from '../lib/http/proxies/choose-proxy.ts';
import { descriptorLimit } from '../lib/linux/descriptor-limit.ts';
import { dropConnecting } from '../lib/linux/network/drop-connecting.ts';
import { MetricSet } from '../lib/metrics/metric-set.ts';
import { startMetricsServer } from '../lib/metrics/metrics-server.ts';
import { ConfigError } from '../lib/settings/config-error.ts';
import { followRequest, type WorkUnderWay } from '../lib/watchdog/work-under-way.ts';
import { recordPulls } from '../storage/catalog/browse/pull-times.ts';
import type { CatalogVersion } from '../storage/catalog/catalog-version.ts';
import { ContentStore } from '../storage/content-store.ts';
import { SecretsKey } from '../storage/fleet/secrets-key.ts';
import { garbagePolicy } from '../storage/gc/garbage-policy.ts';
import type { IdentifyAgain } from './api/while-allowed.ts';
import { createApp } from './app.ts';
import { Refusals } from './audit/refusals.ts';
import { PullRecorder, PullSamples } from './background/pull-recorder.ts';
import { SharedDuty } from './background/shared-duty.ts';
import { startBackgroundWork } from './background-work.ts';
import { browseRoutes } from './browse/browse-routes.ts';
import { RegistryBrowse } from './browse/registry-browse.ts';
import { createCachedResponses, createRequestHandler } from './cached-responses.ts';
import type { ListenAddress } from './config/addresses.ts';
import type { Config, TlsConfig } from './config/config.ts';
import { malformedAnswer } from './errors.ts';
import { EventFeed } from './events/event-feed.ts';
import { EventIds } from './events/event-ids.ts';
import { eventRoutes } from './events/event-routes.ts';
import type { FleetParts, OpenedFleet } from './fleet/open-fleet.ts';
import { BodySender } from './http/body-sender.ts';
import { ConnectionGate, connectionLimitsFor } from './http/connection-limits.ts';
import { corsHeaders } from './http/cors.ts';
import { HttpServer } from './http/http-server.ts';
import { NEVER } from './http/redirect-rules.ts';
import { LogSampler } from './log.ts';
import { identifyAgain } from './login/session-of.ts';
import { exposeGauges } from './metrics/expose-gauges.ts';
import { countGarbage } from './metrics/garbage-metrics.ts';
import { exposeFleet, exposeStorage } from './metrics/storage-metrics.ts';
import { openAuth } from './open-auth.ts';
import { describeWiderFiles, openStorage } from './open-storage.ts';
import { AnswerCache } from './registry/answer-cache.ts';
import { BlobBodies } from './registry/blob-bodies.ts';
import { BoundedManifestCache } from './registry/manifest-cache.ts';
import { REGISTRY_HEADERS } from './registry/registry-router.ts';
import { UploadSessions } from './registry/upload-sessions.ts';
import { countRequests, RequestRecorder } from './request-recorder.ts';
import { shutDown } from './shutdown.ts';
import { type Certificate, followCertificate, readCertificate } from './tls/certificate.ts';
import { startRedirectServer } from './tls/redirect-server.ts';
import { createDeliver } from './webhooks/deliver.ts';
import { createRefuseReceiver } from './webhooks/public-addresses.ts';

const MANIFEST_CACHE_BYTES = 16 * 1024 * 1024;
const ANSWER_CACHE_BYTES = 16 * 1024 * 1024;
/** Sampling of logged requests: always this many per second, and one in so many beyond. */
const LOG_SAMPLING = {
  reads: { always: 100, oneIn: 100 },
  refusals: { always: 50, oneIn: 100 },
  others: { always: 200, oneIn: 100 },
};

/** Milliseconds after which another registry takes over the rollouts of a killed one. */
const ROLLOUTS_LEASE = 5_000;

/** Browsers use only HTTPS for a year. */
const STRICT_TRANSPORT = 'max-age=31536000';

/** A running registry. */
export interface RunningRegistry {
  /** `http://HOST:PORT`, or `https://…`. */
  readonly url: string;
  /** Address of the metrics for Prometheus, if any: `http://HOST:PORT/metrics`. */
  readonly metricsUrl?: string;
  /** Resolves with the error when the device has failed to store something: the process must end and start again. */
  readonly deviceFailure: Promise<unknown>;
  /** Shuts it down as `shutDown` does. Resolves to whether all requests could finish. */
  stop(graceMs: number): Promise<boolean>;
}

/** The connections between registry and watchdog. */
export interface Watched {
  /** Receives running requests. */
  readonly work: WorkUnderWay;
  /** Earlier processes that the watchdog has ended. */
  readonly ends: number;
}

/** The composition root: creates and connects all parts of a registry, and listens. Throws ConfigError. */
export async function startRegistry(
  config: Config,
  log: Logger,
  say: (line: string) => void,
  watched?: Watched,
): Promise<RunningRegistry> {
  // Everything is closed in reverse order, also when a later step fails.
  await using opened = new AsyncDisposableStack();
  const storage = opened.use(await openStorage(config, (sentence) => log.info(sentence)));
  const { blobs, catalog, version } = storage;
  for (const sentence of describeWiderFiles(config.data)) log.warn(sentence);
  // Before the administrator is created: the password is shown once, by a start that succeeds.
  const certificate = config.tls && (await onCertificate(config.tls));
  let current = certificate;
  for (const address of [config.listen, config.metrics, config.tls?.redirect]) {
    if (address !== undefined) await tryAddress(address);
  }
  const { access, authenticator, challenges, hostTokens, keysFor, login, management, tokens } =
    await openAuth(config, storage, say);

  const again: IdentifyAgain = async (ctx) =>
    authenticator === undefined
      ? ctx.state.identity
      : identifyAgain(ctx, { authenticator, ...(login && { sessions: login.sessions }) });
  const sender = new BodySender();
  opened.defer(() => sender.close());
  const metrics = new MetricSet();
  const fleet =
    hostTokens &&
    (await openFleet({
      storage,
      secretsKey: new SecretsKey(config.secretsKey),
      ...(config.database !== undefined && {
        duty: new SharedDuty(catalog.garbage, 'rollouts', ROLLOUTS_LEASE),
      }),
      tokens: hostTokens,
      metrics,
      log,
      certificate: () => current,
      identifyAgain: again,
    }));
  const answers = new AnswerCache(() => version.names(), ANSWER_CACHE_BYTES, {
    ...COMMON_HEADERS,
    ...REGISTRY_HEADERS,
    ...(config.corsOrigins.length > 0 && corsHeaders(undefined, config.corsOrigins)),
  });
  const pulls = new PullSamples();
  const pullTimes = new PullRecorder((times) => recordPulls(storage.database, times));
  const count = countRequests(metrics);
  const deliver = createDeliver({
    allowPrivate: config.webhookPrivate,
    choose: chooseProxy(config.outgoing),
  });
  const refusals = new Refusals(catalog.audit, log);
  const content = new ContentStore(catalog, blobs);
  const uploads = new UploadSessions(catalog, blobs, content, storage.uploadLocks);
  const gate = new ConnectionGate(connectionLimitsFor(descriptorLimit()), (address) =>
    config.trustedProxies.includes(address),
  );
  const shared = {
    authenticator,
    isDraining: () => server.draining,
    log,
    proxies: config.trustedProxies,
    recorder: new RequestRecorder(
      log,
      {
        reads: new LogSampler(LOG_SAMPLING.reads),
        refusals: new LogSampler(LOG_SAMPLING.refusals),
        others: new LogSampler(LOG_SAMPLING.others),
      },
      config.trustedProxies,
      (request, socket) => {
        count(request);
        pulls.note(request);
        pullTimes.note(request);
        if (request.user !== undefined) gate.login(socket);
      },
    ),
  };
  const unavailable = new WeakMap<IncomingMessage, unknown>();
  const manifestCache = new BoundedManifestCache(MANIFEST_CACHE_BYTES);
  const { deletes, readOnly } = config;
  const browse = new RegistryBrowse({
    access,
    catalog,
    blobs,
    content,
    manifestCache,
    deletes,
    readOnly,
    browse: storage.browse,
    apps: storage.apps,
    hosts: storage.hosts,
    garbage: garbagePolicy(config.gcGrace, config.gcUntagged),
    ...(fleet && { pushed: fleet.pushed }),
  });
  const feed = new EventFeed({
    audit: catalog.audit,
    ids: new EventIds(() => keysFor('berth events')),
    log,
    ...(fleet && { hosts: storage.hosts }),
  });
  const events = eventRoutes({
    access,
    feed,
    identifyAgain: again,
  });
  const app = await createApp({
    ...shared,
    browse,
    events,
    feed,
    unavailable: (req) => unavailable.get(req),
    challenges,
    fleet,
    login,
    management: management && {
      ...management,
      browse: browseRoutes(browse),
      catalog,
      events,
      fleet: fleet?.routes ?? [],
      deliver,
      refuseReceiver: createRefuseReceiver(config.webhookPrivate),
      isDraining: () => server.leaving,
    },
    // With an external token server nobody can log in here.
    pages: config.page && config.auth !== 'token',
    refused: (refusal) => refusals.note(refusal),
    tokens,
    health: {
      isReady: async () => !server.leaving && !storage.device.failed && (await canBeRead(version)),
    },
    registry: {
      ...(fleet && { pushed: fleet.pushed }),
      access,
      answers,
      blobBodies: new BlobBodies(blobs, sender),
      blobs,
      catalog,
      content,
      deletes,
      manifestCache,
      pathPrefix: config.pathPrefix,
      readOnly,
      redirects: config.redirects ?? NEVER,
      uploads,
    },
    corsOrigins: config.corsOrigins,
  });
  const fromCache = createCachedResponses({ ...shared, access, answers });
  const onUnavailable = (req: IncomingMessage, cause: unknown) => unavailable.set(req, cause);
  const answerByRoutes = app.callback();
  const byRoutes = (req: IncomingMessage, res: ServerResponse) => {
    if (watched !== undefined) followRequest(watched.work, req, res);
    void answerByRoutes(req, res);
  };
  const handle = createRequestHandler({ fromCache, byRoutes, version, onUnavailable });
  const server = new HttpServer({
    ...(certificate && { certificate }),
    handle: (req, res) => {
      if (config.tls?.hsts) res.setHeader('Strict-Transport-Security', STRICT_TRANSPORT);
      handle(req, res);
    },
    malformedAnswer,
    dropConnecting,
    gate,
    mayUpgrade: ({ url }) => fleet !== undefined && url?.startsWith(`${config.pathPrefix}/api/`) === true,
  });
  exposeGauges(metrics, { answers, feed, server, uploads, watchdogEnds: watched?.ends ?? 0 });
  exposeStorage(metrics, {
    data: config.data,
    browse: storage.browse,
    readOnly: config.readOnly,
    certificate: () => current?.cert,
  });
  if (fleet) exposeFleet(metrics, storage);
  const metricsUrl = config.metrics && (await serveMetrics(metrics, config.metrics, opened));
  const port = await onAddress(config.listen, ({ host, port }) => server.listen(host, port));

  if (config.tls?.redirect) {
    const { close } = await onAddress(config.tls.redirect, (to) => startRedirectServer(to, port, gate));
    opened.defer(close);
  }
  if (config.auth === 'none') {
    log.warn('--auth none: everybody who reaches this registry may read, write and delete');
  }
  const background = new AbortController();
  const running = startBackgroundWork(
    { config, storage, deliver, pulls, pullTimes, refusals, log, onCollection: countGarbage(metrics) },
    background.signal,
  );
  if (config.tls && certificate) {
    const use = (replaced: Certificate) => {
      current = replaced;
      server.useCertificate(replaced);
    };
    running.push(followCertificate(config.tls.files, certificate, use, log, background.signal));
  }
  if (fleet) running.push(fleet.keep(background.signal));
  opened.defer(async () => {
    background.abort();
    await Promise.all(running);
    await fleet?.close();
  });

  const resources = opened.move();
  return {
    url: urlOf(config.tls ? 'https' : 'http', config.listen.host, port),
    ...(metricsUrl !== undefined && { metricsUrl }),
    deviceFailure: storage.device.failure,
    stop: (graceMs) =>
      shutDown(
        {
          server,
          delay: config.shutdownDelay,
          closeStreams: () => {
            feed.close();
            void fleet?.close();
          },
          resources,
          log,
        },
        graceMs,
      ),
  };
}

async function openFleet(parts: FleetParts): Promise<OpenedFleet> {
  const opening = await import('./fleet/open-fleet.ts');
  return opening.openFleet(parts);
}

async function canBeRead(version: CatalogVersion): Promise<boolean> {
  try {
    await version.refresh?.();
    return Number.isInteger(version.everything());
  } catch {
    return false;
  }
}

async function serveMetrics(
  metrics: MetricSet,
  address: ListenAddress,
  opened: AsyncDisposableStack,
): Promise<string> {
  const { port, close } = await onAddress(address, (to) => startMetricsServer(metrics, to));
  opened.defer(close);
  return `${urlOf('http', address.host, port)}/metrics`;
}

function urlOf(scheme: 'http' | 'https', host: string, port: number): string {
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

async function onCertificate({ files }: TlsConfig): Promise<Certificate> {
  try {
    return await readCertificate(files);
  } catch (cause) {
    throw new ConfigError((cause as Error).message, { cause });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not listen on ports below 1024: choose another port, or run it with that right',
  EADDRINUSE: 'the address is in use by another program: stop that, or choose another port',
  EADDRNOTAVAIL: 'this machine has no such address: choose one of its own, or 0.0.0.0 for all networks',
  ENOTFOUND:
    'there is no address with this name: write an address of this machine, or 0.0.0.0 for all networks',
};

/** Runs the start of a listener; throws ConfigError when the system refuses the address. */
async function onAddress<Result>(
  address: ListenAddress,
  work: (address: ListenAddress) => Promise<Result>,
): Promise<Result> {
  try {
    return await work(address);
  } catch (cause) {
    const { code = '' } = cause as NodeJS.ErrnoException;
    const why = REASONS[code] ?? `the system reports ${code}`;
    throw new ConfigError(`cannot listen on ${address.host}:${address.port}: ${why}`, { cause });
  }
}

/** Checks whether an address can be listened on, before anything is printed. Throws ConfigError. */
async function tryAddress(address: ListenAddress): Promise<void> {
  await onAddress(address, async (to) => {
    const server = http.createServer();
    await listen(server, to);
    await new Promise((resolve) => server.close(resolve));
  });
}
