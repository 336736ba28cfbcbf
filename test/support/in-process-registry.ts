import { join } from 'node:path';
import { pino } from 'pino';
import type { Config } from '../../server/config/config.ts';
import { NO_PROXIES } from '../../server/http/forwarded.ts';
import { startRegistry } from '../../server/start-registry.ts';
import { type CleanupScope, defer } from './cleanup.ts';
import { LONGEST_WAIT } from './longest-wait.ts';
import { createRegistryClient, type RegistryClient } from './registry-client.ts';
import { makeTempDir } from './temp-dir.ts';

export interface InProcessRegistry extends RegistryClient {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly port: number;
  readonly data: string;
  /** The value of a metric, by its name and labels as they are exposed; 0 before there is one. */
  metric(series: string): Promise<number>;
  /** What it printed for the person who started it. */
  readonly printed: readonly string[];
  /** What it logged, as JSON lines. */
  readonly logged: readonly string[];
  /** Resolves when the device has failed to store something. */
  readonly deviceFailure: Promise<unknown>;
  stop(graceMs?: number): Promise<boolean>;
}

export type InProcessOptions = Partial<
  Pick<
    Config,
    | 'data'
    | 'database'
    | 'auth'
    | 'adminPassword'
    | 'tokens'
    | 'page'
    | 'deletes'
    | 'readOnly'
    | 'gcInterval'
    | 'gcGrace'
    | 'gcUntagged'
    | 'auditRetention'
    | 'accountCopies'
    | 'webhookPrivate'
    | 'corsOrigins'
    | 'pathPrefix'
    | 'redirects'
    | 'storage'
    | 'trustedProxies'
  >
>;

const OWN_TOKENS: Config['tokens'] = {
  challenge: 'bearer',
  issuer: 'berth',
  life: 300,
  services: ['berth'],
};

/** Starts the whole registry in this process, over a real file system, database and socket. Open to all by default. */
export async function startInProcessRegistry(
  scope: CleanupScope,
  { data, ...options }: InProcessOptions = {},
): Promise<InProcessRegistry> {
  const folder = data ?? join(await makeTempDir(scope, 'registry'), 'data');
  const printed: string[] = [];
  const logged: string[] = [];
  const running = await startRegistry(
    {
      listen: { host: '127.0.0.1', port: 0 },
      data: folder,
      secretsKey: join(folder, 'secrets.key'),
      auth: 'none',
      tokens: OWN_TOKENS,
      logLevel: 'info',
      page: true,
      deletes: true,
      readOnly: false,
      gcGrace: 24 * 60 * 60 * 1000,
      gcUntagged: false,
      auditRetention: 90 * 24 * 60 * 60 * 1000,
      accountCopies: true,
      webhookPrivate: false,
      corsOrigins: [],
      pathPrefix: '',
      shutdownDelay: 0,
      trustedProxies: NO_PROXIES,
      metrics: { host: '127.0.0.1', port: 0 },
      ...options,
    },
    pino({ level: 'info' }, { write: (line: string) => logged.push(line) }),
    (line) => printed.push(line),
  );
  let stopped: Promise<boolean> | undefined;
  const stop = (graceMs = LONGEST_WAIT) => {
    stopped ??= running.stop(graceMs);
    return stopped;
  };
  defer(scope, async () => {
    await stop(0);
  });
  const client = createRegistryClient(running.url);
  return {
    ...client,
    url: running.url,
    port: Number(new URL(running.url).port),
    data: folder,
    metric: async (series) => {
      const text = await (await fetch(running.metricsUrl ?? '')).text();
      const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
      return Number(line?.slice(series.length) ?? 0);
    },
    printed,
    logged,
    deviceFailure: running.deviceFailure,
    stop,
  };
}
