import type { ParseArgsConfig } from 'node:util';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { writeOutput } from '../../lib/streams/program-output.ts';
import { fitTable } from '../../lib/terminal/fit-table.ts';
import type { AuditCatalog, AuditEvent, AuditFilter } from '../../storage/catalog/audit-catalog.ts';
import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { parseAuditFilter } from '../audit/audit-filter.ts';
import { shownEvent } from '../audit/audit-lines.ts';
import { parseOptions } from './parse-options.ts';
import { printable } from './printable.ts';
import { FORMAT_OPTION, type Format, parseFormat } from './remote/table.ts';
import { loadStoredConfig } from './stored-config.ts';
import { openStoredDatabase } from './stored-registry.ts';

const USUAL_LIMIT = 100;
const LARGEST_LIMIT = 100_000;
/** Events per page, which are in memory together with their table. */
const PAGE = 500;

const OPTIONS = {
  data: { type: 'string' },
  database: { type: 'string' },
  config: { type: 'string' },
  who: { type: 'string' },
  action: { type: 'string' },
  outcome: { type: 'string' },
  repository: { type: 'string' },
  since: { type: 'string' },
  until: { type: 'string' },
  limit: { type: 'string' },
  json: { type: 'boolean' },
  ...FORMAT_OPTION,
} as const satisfies ParseArgsConfig['options'];

/** `berth audit`: prints the audit log, whether or not a server is running. */
export async function audit(args: readonly string[]): Promise<number> {
  const {
    who,
    action,
    outcome,
    repository,
    since,
    until,
    limit,
    json,
    format: wanted,
    ...flags
  } = parseOptions(args, OPTIONS);
  const filter = parseAuditFilter({ who, action, outcome, repository, since, until }, (name, reason) => {
    throw new ConfigError(`--${name}: ${reason}`);
  });
  const most = parseLimit(limit);
  const usual = json === true || !process.stdout.isTTY ? 'jsonl' : 'table';
  const format = wanted === undefined ? usual : parseFormat(wanted);
  const config = loadStoredConfig(flags);
  const database = await openStoredDatabase(config);
  // The reader may have closed the output (`berth audit | head`).
  let left = false;
  process.stdout.on('error', () => {
    left = true;
  });
  try {
    const { audit: recorded } = await openCatalog(database);
    const pages = most === 'all' ? everything(recorded, filter) : [await latest(recorded, filter, most)];
    let written = 0;
    for await (const events of pages) {
      if (left) break;
      if (events.length > 0) await writeOutput(process.stdout, textOf(format, events, written));
      written += events.length;
    }
    if (format === 'json') await writeOutput(process.stdout, written === 0 ? '[]\n' : '\n]\n');
    return 0;
  } finally {
    await database.destroy();
  }
}

async function* everything(
  audit: AuditCatalog,
  filter: AuditFilter,
): AsyncGenerator<readonly AuditEvent[], void, undefined> {
  for (let after: string | undefined = '0'; after !== undefined; ) {
    const events: readonly AuditEvent[] = await audit.list({ ...filter, after, limit: PAGE });
    yield events;
    after = events.length < PAGE ? undefined : events.at(-1)?.id;
  }
}

async function latest(
  audit: AuditCatalog,
  filter: AuditFilter,
  limit: number,
): Promise<readonly AuditEvent[]> {
  const found: AuditEvent[] = [];
  for (let more = true; more && found.length < limit; ) {
    const before = found.at(-1)?.id;
    const size = Math.min(PAGE, limit - found.length);
    const events = await audit.latest({ ...filter, ...(before !== undefined && { before }), limit: size });
    found.push(...events);
    more = events.length === size;
  }
  return found.reverse();
}

/** Formats a part of the output, after `written` events. */
function textOf(format: Format, events: readonly AuditEvent[], written: number): string {
  if (format === 'table') return `${auditTable(events, process.stdout.columns).join('\n')}\n`;
  const lines = events.map((event) => printable(JSON.stringify(shownEvent(event))));
  if (format === 'jsonl') return `${lines.join('\n')}\n`;
  return `${written === 0 ? '[' : ',\n'}${lines.join(',\n')}`;
}

function parseLimit(text: string | undefined): number | 'all' {
  if (text === undefined) return USUAL_LIMIT;
  if (text === 'all') return text;
  const limit = Number(text);
  if (/^\d{1,6}$/.test(text) && limit >= 1 && limit <= LARGEST_LIMIT) return limit;
  throw new ConfigError(`"${text}" is no --limit: write 1 to ${LARGEST_LIMIT}, or all`);
}

const HEAD = ['TIME', 'WHO', 'FROM', 'ACTION', 'OUTCOME', 'WHAT'] as const;
/** Hexadecimal digits of a digest that are shown: enough for people to distinguish digests. */
const DIGITS = 12;

/**
 * Formats events as the lines of a table for people. Text from others is escaped, so it has no effect on a terminal.
 */
export function auditTable(events: readonly AuditEvent[], width?: number): readonly string[] {
  return fitTable(HEAD, events.map(rowOf), width);
}

function rowOf(event: AuditEvent): readonly string[] {
  const { at, who = '-', address = '-', action, outcome } = event;
  const time = at.toISOString().replace('T', ' ').slice(0, 19);
  return [time, printable(who), printable(address), action, outcome, printable(whatOf(event))];
}

function whatOf({ repository, tag, digest, detail, count }: AuditEvent): string {
  const [algorithm, hex = ''] = digest?.split(':') ?? [];
  const content = algorithm === undefined ? '' : `@${algorithm}:${hex.slice(0, DIGITS)}`;
  const name = `${repository ?? ''}${tag === undefined ? '' : `:${tag}`}${repository === undefined ? '' : content}`;
  const times = count > 1 ? `${count} times` : '';
  return [name, detail ?? '', times].filter((part) => part !== '').join('; ');
}
