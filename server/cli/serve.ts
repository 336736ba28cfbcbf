import { loadConfig } from '../config.ts';
import { createLog } from '../log.ts';
import { startRegistry } from '../start-registry.ts';
import { parseOptions } from './parse-options.ts';

/** How long running requests may go on after SIGTERM or SIGINT. */
const GRACE_MS = 30_000;

/** `berth serve`: runs the registry until SIGTERM or SIGINT. Exit code 0 after a graceful stop. */
export async function serve(args: readonly string[]): Promise<number> {
  const config = loadConfig({
    flags: parseFlags(args),
    env: process.env,
    isRoot: process.getuid?.() === 0,
  });
  const { log, flush } = createLog(config.logLevel);
  // What is said may be read by nobody (`berth serve | head`): the registry runs on.
  process.stdout.on('error', () => undefined);
  const say = (line: string) => process.stdout.write(`${line}\n`);
  const signalled = firstSignal(flush);
  try {
    const registry = await startRegistry(config, log, say);
    say(`berth is ready: ${registry.url} (data in ${config.data})`);
    const { url, metricsUrl } = registry;
    log.info({ url, metricsUrl, data: config.data, auth: config.auth }, 'ready');
    const signal = await signalled;
    log.info({ signal, graceMs: GRACE_MS }, 'stopping: running requests may finish');
    const finished = await registry.stop(GRACE_MS);
    if (!finished) log.warn('requests that were still running have been cut');
    log.info('stopped');
    return 0;
  } finally {
    flush();
  }
}

/** Resolves with the first SIGTERM or SIGINT; whoever sends a second one wants the end at once. */
function firstSignal(flush: () => void): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let count = 0;
    const onSignal = (signal: NodeJS.Signals) => {
      count += 1;
      if (count === 1) {
        resolve(signal);
        return;
      }
      flush();
      process.exit(signal === 'SIGINT' ? 130 : 143);
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}

function parseFlags(args: readonly string[]) {
  const values = parseOptions(args, {
    listen: { type: 'string' },
    data: { type: 'string' },
    database: { type: 'string' },
    storage: { type: 'string' },
    redirect: { type: 'string', multiple: true },
    auth: { type: 'string' },
    challenge: { type: 'string' },
    config: { type: 'string' },
    metrics: { type: 'string' },
    'tls-cert': { type: 'string' },
    'tls-key': { type: 'string' },
    'http-redirect': { type: 'string' },
    hsts: { type: 'string' },
    deletes: { type: 'string' },
    'gc-interval': { type: 'string' },
    'gc-grace': { type: 'string' },
    'gc-untagged': { type: 'string' },
    'audit-retention': { type: 'string' },
    'webhook-private': { type: 'string' },
    'cors-origin': { type: 'string', multiple: true },
    'log-level': { type: 'string' },
    'path-prefix': { type: 'string' },
    'shutdown-delay': { type: 'string' },
    'token-issuer': { type: 'string' },
    'token-jwks': { type: 'string' },
    'token-life': { type: 'string' },
    'token-limit': { type: 'string' },
    'token-realm': { type: 'string' },
    'token-service': { type: 'string', multiple: true },
    'trusted-proxy': { type: 'string', multiple: true },
  });
  return {
    ...values,
    tlsCert: values['tls-cert'],
    tlsKey: values['tls-key'],
    httpRedirect: values['http-redirect'],
    redirect: values.redirect?.join(','),
    gcInterval: values['gc-interval'],
    gcGrace: values['gc-grace'],
    gcUntagged: values['gc-untagged'],
    auditRetention: values['audit-retention'],
    webhookPrivate: values['webhook-private'],
    corsOrigin: values['cors-origin']?.join(','),
    logLevel: values['log-level'],
    pathPrefix: values['path-prefix'],
    shutdownDelay: values['shutdown-delay'],
    tokenIssuer: values['token-issuer'],
    tokenJwks: values['token-jwks'],
    tokenLife: values['token-life'],
    tokenLimit: values['token-limit'],
    tokenRealm: values['token-realm'],
    tokenService: values['token-service']?.join(','),
    trustedProxy: values['trusted-proxy']?.join(','),
  };
}
