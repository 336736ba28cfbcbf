import { type ParseArgsConfig, parseArgs } from 'node:util';
import { ConfigError } from '../../../lib/settings/config-error.ts';
import { DistributionError } from '../../../oci/distribution/errors.ts';
import { refusedOption, STORAGE_OPTIONS } from '../parse-options.ts';
import { printLine, tellLine } from '../printable.ts';
import { ApiError } from './api-error.ts';
import {
  type ChosenRegistry,
  lastRegistry,
  namedRegistry,
  REGISTRY_OPTIONS,
  trustAuthorities,
} from './chosen-registry.ts';
import { otherVersion, RegistryApi } from './registry-api.ts';

/** Options that locate a registry's data. */
export interface DataOptions {
  readonly data: string | undefined;
  readonly database: string | undefined;
  readonly config: string | undefined;
  readonly storage: string | undefined;
}

/** The two ways to a registry: its API, and its data on this machine. */
export interface Doors<Door extends AsyncDisposable> {
  readonly remote: (api: RegistryApi) => Door;
  /** Throws ConfigError. */
  readonly local: (options: DataOptions) => Promise<Door>;
}

/** A command that works on a registry wherever it is, such as `berth ps APP`. */
export interface RegistryCommand<Door> {
  /** Usage after `berth`: the command and its words, in brackets if optional, with `…` if repeatable. */
  readonly usage: string;
  readonly options?: NonNullable<ParseArgsConfig['options']>;
  /** Whether it works on the data of this machine when no registry is named. */
  readonly local?: boolean;
  /** Whether options end at the first word, because a word is a command with its own options. */
  readonly endsOptions?: boolean;
  /** Exit code when the registry refuses; 1 unless given. */
  readonly refused?: number;
  /** Exit code when the registry fails or cannot be reached; 1 unless given. */
  readonly unanswered?: number;
  /** Returns the exit code; undefined means 0. Throws ApiError and ConfigError. */
  run(input: CommandInput<Door>): Promise<number> | Promise<void>;
}

/** The input of a command. */
export interface CommandInput<Door> {
  readonly words: readonly string[];
  readonly option: (name: string) => string | undefined;
  readonly options: (name: string) => readonly string[];
  readonly flag: (name: string) => boolean;
  /** The registry's API. Throws ConfigError when no registry was named. */
  readonly api: () => Promise<RegistryApi>;
  /** The registry's API, or the data of this machine. Throws ConfigError. */
  readonly door: () => Promise<Door>;
  readonly print: (line: string) => void;
  /** Prints a line for people, which is not part of the command's output. */
  readonly tell: (line: string) => void;
}

type Values = Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;

/**
 * Runs a command and returns its exit code; a refusal is a sentence on standard error. Throws ConfigError for wrong
 * usage.
 */
export async function runRegistryCommand<Door extends AsyncDisposable>(
  command: RegistryCommand<Door>,
  doors: Doors<Door>,
  args: readonly string[],
): Promise<number> {
  const options = { ...REGISTRY_OPTIONS, ...(command.local && STORAGE_OPTIONS), ...command.options };
  const { values, words } = parse(command, args, options);
  checkWords(command, words);
  await using opened = new AsyncDisposableStack();
  let api: Promise<RegistryApi> | undefined;
  let door: Promise<Door> | undefined;
  const openApi = () => {
    api ??= openRegistry(values);
    return api;
  };
  const openDoor = async () =>
    opened.use(await chooseDoor(values, command.local ? doors : { remote: doors.remote }, openApi));
  try {
    const code = (await command.run({
      words,
      option: (name) => values[name] as string | undefined,
      options: (name) => (values[name] as readonly string[] | undefined) ?? [],
      flag: (name) => values[name] === true,
      api: openApi,
      door: () => {
        door ??= openDoor();
        return door;
      },
      print: printLine,
      tell: tellLine,
    })) as number | undefined;
    return code ?? 0;
  } catch (error) {
    if (error instanceof DistributionError) throw new ConfigError(error.message, { cause: error });
    const failure = await asApiError(error, api);
    tellLine(`berth: ${failure.message}`);
    return (failure.mayPass ? command.unanswered : command.refused) ?? 1;
  }
}

/** Turns an answer that lacks required fields into the error about another version. Throws other errors unchanged. */
async function asApiError(error: unknown, api: Promise<RegistryApi> | undefined): Promise<ApiError> {
  if (error instanceof ApiError) return error;
  if (!(error instanceof TypeError) || api === undefined) throw error;
  return otherVersion((await api).url, error.message, error);
}

function openRegistry(values: Values): Promise<RegistryApi> {
  return chosenApi(choiceOf(values), AbortSignal.timeout(60_000));
}

/**
 * Returns the API of the named registry, or else of the current context; `signal` bounds a call of a credential helper.
 * Throws ConfigError.
 */
export async function chosenApi(
  choice: Parameters<typeof namedRegistry>[0],
  signal: AbortSignal,
): Promise<RegistryApi> {
  const chosen = namedRegistry(choice, process.env) ?? (await lastRegistry(choice, process.env));
  if (chosen !== undefined) return connectTo(chosen, signal);
  throw new ConfigError(
    'no registry is chosen: log in with "berth login https://REGISTRY", or give --server URL or BERTH_SERVER',
  );
}

async function connectTo({ ca, url }: ChosenRegistry, signal: AbortSignal): Promise<RegistryApi> {
  if (ca !== undefined) await trustAuthorities(ca);
  const { authorizationFor } = await import('./registry-login.ts');
  const authorization = await authorizationFor(url.host, process.env, signal);
  return new RegistryApi(url, authorization);
}

/**
 * Chooses, in this order: a named registry, named data, the registry of the last login, the default location of data.
 */
async function chooseDoor<Door extends AsyncDisposable>(
  values: Values,
  { remote, local }: Pick<Doors<Door>, 'remote'> & Partial<Doors<Door>>,
  openApi: () => Promise<RegistryApi>,
): Promise<Door> {
  const { env } = process;
  const choice = choiceOf(values);
  const namesData = ['data', 'database', 'config'].some((name) => values[name] !== undefined);
  const hasData = Boolean(env.BERTH_DATA || env.BERTH_DATABASE || env.BERTH_DATABASE_FILE);
  const named = namesData && choice.server === undefined ? undefined : namedRegistry(choice, env);
  const isRemote =
    local === undefined ||
    named !== undefined ||
    (!namesData && !hasData && (await lastRegistry(choice, env)) !== undefined);
  if (isRemote) return remote(await openApi());
  const { data, database, config, storage } = values as Readonly<Record<string, string | undefined>>;
  return local({ data, database, config, storage });
}

function choiceOf(values: Values) {
  return {
    server: values.server as string | undefined,
    ca: values.ca as string | undefined,
    insecure: values.insecure as boolean | undefined,
  };
}

function parse(
  { endsOptions = false }: Pick<RegistryCommand<never>, 'endsOptions'>,
  args: readonly string[],
  options: NonNullable<ParseArgsConfig['options']>,
): { readonly values: Values; readonly words: readonly string[] } {
  const own = endsOptions ? args.slice(0, firstWord(args, options)) : args;
  try {
    const { values, positionals } = parseArgs({
      args: [...own],
      options,
      strict: true,
      allowPositionals: true,
    });
    return { values: values as Values, words: [...positionals, ...args.slice(own.length)] };
  } catch (cause) {
    throw refusedOption(cause, options);
  }
}

/** Index of the first argument that is neither an option nor the value of one. */
function firstWord(args: readonly string[], options: NonNullable<ParseArgsConfig['options']>): number {
  const { tokens } = parseArgs({
    args: [...args],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  return tokens.find(({ kind }) => kind === 'positional')?.index ?? args.length;
}

function checkWords({ usage }: Pick<RegistryCommand<never>, 'usage'>, words: readonly string[]): void {
  const names = usage.split(' ').filter((name) => /^\[?[A-Z]/.test(name));
  const least = names.filter((name) => !name.startsWith('[')).length;
  const most = usage.includes('…') ? Number.POSITIVE_INFINITY : names.length;
  if (words.length < least || words.length > most) throw new ConfigError(`write: berth ${usage}`);
}

/** Reads `KEY=VALUE` texts of an option. Throws ConfigError. */
export function pairsOf(option: string, texts: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf('=');
      if (equals < 1) throw new ConfigError(`--${option} ${text}: write KEY=VALUE`);
      return [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
}
