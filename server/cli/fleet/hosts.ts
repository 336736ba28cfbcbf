import { ConfigError } from '../../../lib/settings/config-error.ts';
import { advice } from '../parse-options.ts';
import { pairsOf } from '../remote/registry-command.ts';
import { ago, type Column, FORMAT_OPTION, labelsOf, parseFormat, printRows } from '../remote/table.ts';
import type { HostChange } from './door.ts';
import { type FleetCommand, type FleetInput, runFleetCommand } from './fleet-command.ts';
import type { HostView } from './views.ts';

const COLUMNS: readonly Column<HostView>[] = [
  { head: 'HOST', cell: ({ name }) => name },
  { head: 'STATE', cell: ({ state }) => state },
  { head: 'LABELS', cell: ({ labels }) => labelsOf(labels) },
  { head: 'APPS', cell: ({ apps }) => apps.join(' ') },
  { head: 'PLATFORM', cell: ({ facts }) => facts.platform },
  { head: 'VERSION', cell: ({ facts }) => facts.version },
  { head: 'SEEN', cell: ({ seenAt }) => ago(seenAt) },
];

const LIST: FleetCommand = {
  usage: 'host ls',
  local: true,
  options: FORMAT_OPTION,
  run: async ({ door, option }) => {
    const format = parseFormat(option('format'));
    printRows(format, await (await door()).hosts(), COLUMNS);
  },
};

const ACTIONS: Readonly<Record<string, FleetCommand>> = {
  token: {
    usage: 'host token',
    local: true,
    options: { label: { type: 'string', multiple: true }, ...FORMAT_OPTION },
    run: async ({ door, option, options, print, tell }) => {
      const format = parseFormat(option('format'));
      const opened = await door();
      const made = await opened.createHostToken(pairsOf('label', options('label')));
      if (format !== 'table') {
        print(JSON.stringify(made));
        return;
      }
      const minutes = Math.round((Date.parse(made.expiresAt) - Date.now()) / 60_000);
      tell(`Run this on the host, once and within ${minutes} minutes:`);
      print(`berth-agent join ${opened.address ?? 'https://REGISTRY'} ${made.token}`);
    },
  },
  ls: LIST,
  inspect: {
    usage: 'host inspect HOST…',
    local: true,
    run: async ({ door, print, words }) => {
      const opened = await door();
      const found = await Promise.all(words.map((name) => opened.host(name)));
      print(JSON.stringify(found, undefined, 2));
    },
  },
  label: {
    usage: 'host label HOST KEY=VALUE…',
    local: true,
    run: async (input) => {
      const [name = '', ...changes] = input.words;
      const { labels } = await (await input.door()).host(name);
      await change(input, name, { labels: changedLabels(labels, changes) });
    },
  },
  drain: {
    usage: 'host drain HOST',
    local: true,
    options: { off: { type: 'boolean' } },
    run: (input) => change(input, input.words[0] ?? '', { draining: !input.flag('off') }),
  },
  rename: {
    usage: 'host rename HOST NAME',
    local: true,
    run: (input) => change(input, input.words[0] ?? '', { name: input.words[1] ?? '' }),
  },
  rm: {
    usage: 'host rm HOST…',
    local: true,
    run: async ({ door, words }) => {
      const opened = await door();
      for (const name of words) await opened.removeHost(name);
    },
  },
};

/** `berth host`: the machines that run apps. */
export async function host(args: readonly string[]): Promise<number> {
  const [name = '', ...rest] = args;
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action !== undefined) return runFleetCommand(action, rest);
  const known = Object.keys(ACTIONS);
  if (name === '') throw new ConfigError(`an action is missing: berth host has ${known.join(', ')}`);
  throw new ConfigError(`berth host has no "${name}": ${advice(name, known, '"berth host --help"')}`);
}

/** `berth hosts`: the same as `berth host ls`. */
export function hosts(args: readonly string[]): Promise<number> {
  return runFleetCommand(LIST, args);
}

async function change({ door }: FleetInput, name: string, change: HostChange): Promise<void> {
  await (await door()).changeHost(name, change);
}

/** Parses label changes: `KEY=VALUE` sets a label, `KEY-` removes it. Throws ConfigError. */
export function changedLabels(
  labels: Readonly<Record<string, string>>,
  changes: readonly string[],
): Readonly<Record<string, string>> {
  const changed = new Map(Object.entries(labels));
  for (const text of changes) {
    const equals = text.indexOf('=');
    if (equals > 0) changed.set(text.slice(0, equals), text.slice(equals + 1));
    else if (text.length > 1 && text.endsWith('-')) changed.delete(text.slice(0, -1));
    else throw new ConfigError(`"${text}" changes no label: write KEY=VALUE, or KEY- to remove one`);
  }
  return Object.fromEntries(changed);
}
