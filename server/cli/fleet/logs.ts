import { setTimeout as sleep } from 'node:timers/promises';
import { LogPosition, rereadFrom } from '../../../fleet/log-position.ts';
import type { LogEntry } from '../../../fleet/messages.ts';
import { ConfigError } from '../../../lib/settings/config-error.ts';
import { writeOutput } from '../../../lib/streams/program-output.ts';
import { parseDuration } from '../../config/duration.ts';
import { printable, printableLog } from '../printable.ts';
import { ApiError } from '../remote/api-error.ts';
import { parseFormat } from '../remote/table.ts';
import { appPath } from './door.ts';
import { type FleetCommand, type FleetInput, runFleetCommand } from './fleet-command.ts';
import { numberOf } from './rollouts.ts';

/** Milliseconds before the registry is asked again, at first and at most. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;
const INTERRUPTED = 130;
/** Maximum characters of a line that arrives in parts. */
const LONGEST_LINE = 2 ** 20;

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

/** `berth logs`: prints the output of an app's instances on all its hosts. Exit code 1: a host could not be reached. */
export function logs(args: readonly string[]): Promise<number> {
  return runFleetCommand(LOGS, args);
}

async function printLogs(input: FleetInput): Promise<number> {
  const [app = '', service] = input.words;
  const query = queryOf(input, service);
  const printer = new LogPrinter(input);
  const api = await input.api();
  const ended = new AbortController();
  process.once('SIGINT', () => ended.abort());
  // A reader such as head has seen enough.
  process.stdout.on('error', () => ended.abort());
  let pause = FIRST_PAUSE;
  let hasBegun = false;
  let isLost = false;
  const began = () => {
    [hasBegun, isLost, pause] = [true, false, FIRST_PAUSE];
  };
  for (;;) {
    let trouble = `${api.url.host} has ended the logs`;
    try {
      for await (const line of api.lines(appPath(app, `logs?${query}`), ended.signal, began)) {
        if (line !== '') await printer.print(line);
      }
      if (!input.flag('follow')) return printer.isWhole ? 0 : 1;
    } catch (error) {
      if (ended.signal.aborted) return INTERRUPTED;
      const isOver = !input.flag('follow') || !hasBegun || !(error instanceof ApiError && error.mayPass);
      if (isOver) throw error;
      trouble = error.message;
    }
    if (!isLost) input.tell(printable(`berth: ${trouble}: connecting again until Ctrl-C`));
    isLost = true;
    await sleep(pause, undefined, { signal: ended.signal }).catch(() => undefined);
    if (ended.signal.aborted) return INTERRUPTED;
    pause = Math.min(2 * pause, LONGEST_PAUSE);
    const since = printer.rewind();
    if (since !== undefined) {
      query.delete('tail');
      query.set('since', String(since));
    }
  }
}

type PrintedEntry = LogEntry & { readonly error?: string };

class LogPrinter {
  readonly #input: FleetInput;
  readonly #isJson: boolean;
  /** By instance: after a reconnect the registry repeats some lines. */
  readonly #positions = new Map<string, LogPosition>();
  /** Incomplete long lines, by instance and stream. */
  readonly #parts = new Map<string, string>();
  #width = 0;
  /** Whether every host could be asked. */
  isWhole = true;

  /** Throws ConfigError. */
  constructor(input: FleetInput) {
    this.#input = input;
    this.#isJson = parseFormat(input.option('format')) !== 'table';
  }

  /**
   * Called before the logs are requested again; returns the start time, ms since 1970, or undefined before the first
   * line.
   */
  rewind(): number | undefined {
    for (const position of this.#positions.values()) position.rewind();
    return rereadFrom(this.#positions.values());
  }

  /** Resolves when the next line may follow: backpressure from a slow reader reaches the registry. */
  async print(line: string): Promise<void> {
    const entry: PrintedEntry = JSON.parse(line);
    if (entry.error === undefined && !this.#isNew(entry)) return;
    if (entry.error !== undefined) this.isWhole = false;
    if (this.#isJson) await writeOutput(process.stdout, `${printable(line)}\n`);
    else if (entry.error !== undefined)
      this.#input.tell(`berth: ${printable(`${entry.host}: ${entry.error}`)}`);
    else {
      const name = printable(`${entry.host ?? ''} ${entry.service}.${entry.instance}`.trim());
      const line = this.#wholeLine(name, entry);
      if (line === undefined) return;
      this.#width = Math.max(this.#width, name.length);
      const time = this.#input.flag('timestamps') ? `${printable(`${entry.time}`)} ` : '';
      const out = entry.stream === 'stderr' ? process.stderr : process.stdout;
      const text = out.isTTY ? printableLog(line) : line;
      await writeOutput(out, `${name.padEnd(this.#width)} | ${time}${text}\n`);
    }
  }

  /** Returns undefined until the last part of a long line has arrived, or if it is too long. */
  #wholeLine(name: string, { line, partial, stream }: PrintedEntry): string | undefined {
    const key = `${name} ${stream}`;
    const whole = `${this.#parts.get(key) ?? ''}${line}`;
    const waits = partial === true && whole.length < LONGEST_LINE;
    if (waits) this.#parts.set(key, whole);
    else this.#parts.delete(key);
    return waits ? undefined : whole;
  }

  #isNew({ host, service, instance, release, time }: PrintedEntry): boolean {
    if (!this.#input.flag('follow')) return true;
    const name = `${host} ${service} ${instance} ${release}`;
    const position = this.#positions.get(name) ?? new LogPosition();
    this.#positions.set(name, position);
    return position.take(time);
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

/** Parses `10m` ago, or a time, to milliseconds since 1970. Throws ConfigError. */
export function parseSince(text: string, now: number): number {
  const length = parseDuration(text);
  if (length !== undefined) return now - length;
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time)) return time;
  throw new ConfigError(
    `"${text}" is not a valid --since: write how long ago, such as 10m, or 2026-11-27T08:00Z`,
  );
}
