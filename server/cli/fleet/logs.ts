import type { LogEntry } from '../../../fleet/messages.ts';
import { ConfigError } from '../../../lib/settings/config-error.ts';
import { parseDuration } from '../../config/duration.ts';
import { printable, printableLog, printLine } from '../printable.ts';
import { appPath } from './door.ts';
import { type FleetCommand, type FleetInput, runFleetCommand } from './fleet-command.ts';
import { numberOf } from './rollouts.ts';
import { parseFormat } from './table.ts';

const LOGS: FleetCommand = {
  usage: 'logs APP [SERVICE]',
  options: {
    follow: { type: 'boolean', short: 'f' },
    timestamps: { type: 'boolean', short: 't' },
    tail: { type: 'string', short: 'n' },
    since: { type: 'string' },
    instance: { type: 'string' },
    format: { type: 'string' },
  },
  run: printLogs,
};

/** `berth logs`: what the instances of an app write, from all of its hosts. Exit code 1: a host could not be asked. */
export function logs(args: readonly string[]): Promise<number> {
  return runFleetCommand(LOGS, args);
}

async function printLogs(input: FleetInput): Promise<number> {
  const [app = '', service] = input.words;
  const isJson = parseFormat(input.option('format')) === 'json';
  const query = queryOf(input, service);
  const api = await input.api();
  const ended = new AbortController();
  process.once('SIGINT', () => ended.abort());
  // A reader such as head has seen enough.
  process.stdout.on('error', () => ended.abort());
  let width = 0;
  let isWhole = true;
  try {
    for await (const line of api.lines(appPath(app, `logs?${query}`), ended.signal)) {
      if (line === '') continue;
      if (isJson) {
        printLine(line);
        continue;
      }
      const entry: LogEntry & { readonly error?: string } = JSON.parse(line);
      if (entry.error !== undefined) {
        input.tell(`berth: ${printable(`${entry.host}: ${entry.error}`)}`);
        isWhole = false;
        continue;
      }
      const name = printable(`${entry.host ?? ''} ${entry.service}.${entry.instance}`.trim());
      width = Math.max(width, name.length);
      const time = input.flag('timestamps') ? `${printable(`${entry.time}`)} ` : '';
      const out = entry.stream === 'stderr' ? process.stderr : process.stdout;
      const text = out.isTTY ? printableLog(`${entry.line}`) : entry.line;
      out.write(`${name.padEnd(width)} | ${time}${text}\n`);
    }
    return isWhole ? 0 : 1;
  } catch (error) {
    if (ended.signal.aborted) return 130;
    throw error;
  }
}

/** Throws ConfigError. */
function queryOf(input: FleetInput, service: string | undefined): URLSearchParams {
  const { flag, option } = input;
  const tail = option('tail');
  const since = option('since');
  const instance = option('instance');
  return new URLSearchParams({
    ...(service !== undefined && { service }),
    ...(instance !== undefined && { instance: String(numberOf(instance, '--instance')) }),
    ...(flag('follow') && { follow: 'true' }),
    ...(flag('timestamps') && { timestamps: 'true' }),
    ...(tail !== undefined && tail !== 'all' && { tail: String(numberOf(tail, '--tail')) }),
    ...(since !== undefined && { since: String(parseSince(since, Date.now())) }),
  });
}

/** Milliseconds since 1970 of `10m` ago or of a time. Throws ConfigError. */
export function parseSince(text: string, now: number): number {
  const length = parseDuration(text);
  if (length !== undefined) return now - length;
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time)) return time;
  throw new ConfigError(`"${text}" is no --since: write how long ago, such as 10m, or 2026-11-27T08:00Z`);
}
