import { KEYS, type KeySupport, type KeyTable } from './keys.ts';

/** The location of each table of keys in a file, for people. */
const PLACES: Readonly<Record<keyof typeof KEYS, string>> = {
  root: 'The file',
  service: 'A service',
  port: 'A port of a service (`ports`, long form)',
  mount: 'A volume of a service (`volumes`, long form)',
  'mount.volume': '`volume` of such a volume',
  'mount.bind': '`bind` of such a volume',
  'mount.tmpfs': '`tmpfs` of such a volume',
  file: 'A secret or configuration of a service (`secrets`, `configs`, long form)',
  'service network': 'A network of a service',
  healthcheck: '`healthcheck`',
  dependency: 'A dependency (`depends_on`, long form)',
  logging: '`logging`',
  ulimit: 'A limit (`ulimits`, long form)',
  device: 'A device (`devices`, long form)',
  deploy: '`deploy`',
  placement: '`deploy.placement`',
  update_config: '`deploy.update_config`',
  rollback_config: '`deploy.rollback_config`',
  resources: '`deploy.resources`',
  limits: '`deploy.resources.limits`',
  reservations: '`deploy.resources.reservations`',
  restart_policy: '`deploy.restart_policy`',
  network: 'A network',
  volume: 'A volume',
  secret: 'A secret',
  config: 'A configuration',
  'x-berth': '`x-berth` of a service',
  'x-berth.route': '`x-berth.route`',
  'x-berth.route.tls': '`x-berth.route.tls`',
  'volume x-berth': '`x-berth` of a volume',
};

/** Returns the support of all keys as Markdown tables. */
export function keysReference(): string {
  const entries = Object.entries(KEYS) as readonly (readonly [keyof typeof KEYS, KeyTable])[];
  return entries
    .map(([place, table]) => {
      const rows = [...table].map(([key, support]) => [`\`${key}\``, support.support, meaning(support)]);
      return `### ${PLACES[place]}\n\n${markdownTable([['Key', 'Berth', 'Meaning'], ...rows])}`;
    })
    .join('\n');
}

function meaning({ support, text }: KeySupport): string {
  if (support === 'supported' && text === '') return 'as in Compose';
  return text.replaceAll('|', '\\|');
}

/** Formats a table as Markdown formatters do: each column as wide as its widest cell. */
function markdownTable(rows: readonly (readonly string[])[]): string {
  const widths = [0, 1, 2].map((column) => Math.max(3, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`;
  const [head = '', ...body] = rows.map((row) =>
    line(row.map((cell, column) => cell.padEnd(widths[column] ?? 0))),
  );
  return [head, line(widths.map((width) => '-'.repeat(width))), ...body].join('');
}
