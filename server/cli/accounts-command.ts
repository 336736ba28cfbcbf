import { type ParseArgsConfig, parseArgs } from 'node:util';
import type { AuthStore } from '../../auth/auth-store.ts';
import { AuthError } from '../../auth/errors.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';
import type { AuditEntry } from '../../storage/catalog/audit-catalog.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import { recordingChange } from '../../storage/catalog/recorded-change.ts';
import type { Config } from '../config/config.ts';
import { openAccounts } from '../open-auth.ts';
import { advice, refusedOption, STORAGE_OPTIONS } from './parse-options.ts';
import { printLine, tellLine } from './printable.ts';
import { type Column, FORMAT_OPTION, parseFormat, printRows } from './remote/table.ts';
import { loadStoredConfig } from './stored-config.ts';
import { openStoredRegistry } from './stored-registry.ts';

/** The input of an action about accounts. */
export interface ActionInput {
  readonly store: AuthStore;
  readonly catalog: Catalog;
  /** The configuration of `berth serve` with the same environment and file. */
  readonly config: Config;
  /** As many words as the action has names for. */
  readonly words: readonly string[];
  readonly option: (name: string) => string | undefined;
  readonly options: (name: string) => readonly string[];
  readonly flag: (name: string) => boolean;
  readonly print: (line: string) => void;
  /** Prints a list, in the format of --format. */
  readonly show: <Row extends object>(rows: readonly Row[], columns: readonly Column<Row>[]) => void;
  /** Prints a line for people, which is not part of the command's output. */
  readonly tell: (line: string) => void;
}

/** Such as `add` of `berth user add NAME`. */
export interface Action {
  /** Names of its arguments, for the message about missing ones. */
  readonly words: readonly string[];
  readonly options?: NonNullable<ParseArgsConfig['options']>;
  run(input: ActionInput): Promise<void>;
}

/**
 * Runs an action on the accounts and rules of a registry and records it, whether or not a server is running. Returns
 * exit code 1, with a message, if it is impossible. Throws ConfigError for wrong usage.
 */
export async function runAccountsCommand(
  noun: string,
  actions: Readonly<Record<string, Action>>,
  args: readonly string[],
): Promise<number> {
  const [name = '', ...rest] = args;
  const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
  if (action === undefined) {
    const known = Object.keys(actions);
    const said =
      name === '' || name.startsWith('-') ? 'an action is missing' : `berth ${noun} has no "${name}"`;
    throw new ConfigError(
      `${said}: it has ${known.join(', ')}: ${advice(name, known, `"berth ${noun} --help"`)}`,
    );
  }
  const { values, positionals } = parseAction(rest, {
    ...STORAGE_OPTIONS,
    ...(name === 'list' && FORMAT_OPTION),
    ...action.options,
  });
  if (positionals.length !== action.words.length) {
    throw new ConfigError(`write: berth ${[noun, name, ...action.words].join(' ')}`);
  }
  const format = parseFormat(values.format as string | undefined);
  const { data, database, config } = values as Readonly<Record<string, string | undefined>>;
  const storage = loadStoredConfig({ data, database, config });
  await using registry = await openStoredRegistry(storage);
  const given = (option: string) => values[option];
  try {
    const input = {
      store: await openAccounts(registry.database),
      catalog: registry.catalog,
      config: storage,
      words: positionals,
      option: (option: string) => given(option) as string | undefined,
      options: (option: string) => (given(option) as readonly string[] | undefined) ?? [],
      flag: (option: string) => given(option) === true,
      print: printLine,
      show: <Row extends object>(rows: readonly Row[], columns: readonly Column<Row>[]) =>
        printRows(format, rows, columns),
      tell: tellLine,
    };
    if (['list', 'test'].includes(name)) await action.run(input);
    else {
      // An address may contain a secret.
      const words = positionals.filter((word) => !word.includes('://'));
      const detail = ['berth', noun, name, ...words].join(' ');
      const entry = (): AuditEntry => ({
        at: new Date(),
        action: 'manage',
        outcome: 'done',
        detail,
        count: 1,
      });
      const recorded = await recordingChange(entry, () => action.run(input));
      if (!recorded) await registry.catalog.audit.record([entry()]);
    }
    return 0;
  } catch (error) {
    if (!(error instanceof AuthError)) throw error;
    tellLine(`berth: ${error.message}`);
    return 1;
  }
}

function parseAction(args: readonly string[], options: NonNullable<ParseArgsConfig['options']>) {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: true });
  } catch (cause) {
    throw refusedOption(cause, options);
  }
}
