import { join } from 'node:path';
import type { Logger } from 'pino';
import { notifySystemd } from '../../lib/linux/notify-systemd.ts';
import { optionsOf, readOptions } from '../../lib/settings/settings.ts';
import { startTracing } from '../../lib/tracing/start-tracing.ts';
import { countEnds, startWatchdog } from '../../lib/watchdog/watchdog.ts';
import { WorkUnderWay } from '../../lib/watchdog/work-under-way.ts';
import { loadConfig } from '../config/config.ts';
import { SETTINGS } from '../config/settings.ts';
import { createLog } from '../log.ts';
import { firstSignal, SHUTDOWN_GRACE } from '../shutdown.ts';
import { startRegistry } from '../start-registry.ts';
import { parseOptions } from './parse-options.ts';

/**
 * `berth serve`: runs the registry until SIGTERM or SIGINT. Exit code 0 after a graceful stop, 1 when the device has
 * failed to store something.
 */
export async function serve(args: readonly string[]): Promise<number> {
  const config = loadConfig({
    flags: parseFlags(args),
    env: process.env,
    isRoot: process.getuid?.() === 0,
  });
  const { log, flush } = createLog(config.logLevel);
  // The output may be closed (`berth serve | head`): the registry continues.
  process.stdout.on('error', () => undefined);
  const say = (line: string) => process.stdout.write(`${line}\n`);
  const signalled = firstSignal(flush);
  const tracer = config.tracing && (await startTracing(config.tracing, 'berth', (line) => log.warn(line)));
  try {
    const record = join(config.data, 'watchdog-ends');
    const work = new WorkUnderWay();
    const registry = await startRegistry(config, log, say, { work, ends: countEnds(record) });
    say(`berth is ready: ${registry.url} (data in ${config.data})`);
    const { url, metricsUrl } = registry;
    if (config.watchdog !== undefined) watch(config.watchdog, { work, record, log });
    log.info({ url, metricsUrl, data: config.data, auth: config.auth }, 'ready');
    notifySystemd('READY=1', process.env.NOTIFY_SOCKET);
    const failed = registry.deviceFailure.then((error) => ({ error }));
    const end = await Promise.race([signalled, failed]);
    if (typeof end === 'string') {
      notifySystemd('STOPPING=1', process.env.NOTIFY_SOCKET);
      log.info({ signal: end, graceMs: SHUTDOWN_GRACE }, 'stopping: running requests can finish');
    } else {
      log.fatal({ err: end.error }, 'the device failed to store data: stopping; check the device');
    }
    const finished = await registry.stop(SHUTDOWN_GRACE);
    if (!finished) log.warn('requests that were still running have been cut');
    await tracer?.close();
    log.info('stopped');
    return typeof end === 'string' ? 0 : 1;
  } finally {
    flush();
  }
}

function watch(
  limit: number,
  { work, record, log }: { work: WorkUnderWay; record: string; log: Logger },
): void {
  startWatchdog({
    limit,
    work,
    record,
    log: log.level === 'silent' ? undefined : { fields: { level: log.levels.values.fatal }, isoTime: true },
    onFailure: (error) => log.error({ err: error }, 'the watchdog failed: the event loop is not watched'),
  });
}

function parseFlags(args: readonly string[]) {
  const values = parseOptions(args, { config: { type: 'string' }, ...optionsOf(SETTINGS) });
  return { ...readOptions(SETTINGS, values), config: values.config?.toString() };
}
