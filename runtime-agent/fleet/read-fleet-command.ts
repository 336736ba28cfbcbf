import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { ALLOWANCES, type Allowance } from '../../fleet/host.ts';
import { type JoinToken, parseJoinToken } from '../../fleet/join-token.ts';
import { isLoopback } from '../../lib/http/addresses.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { misusedOption } from '../../lib/settings/misused-option.ts';
import { optionsOf, readOptions } from '../../lib/settings/settings.ts';
import { type AgentConfig, readConfig } from '../config.ts';
import { AGENT_SETTINGS } from '../settings.ts';

/** A parsed `berth-agent join` or `leave`. */
export type FleetCommand =
  | {
      readonly kind: 'join';
      readonly config: AgentConfig;
      readonly url: URL;
      readonly token: JoinToken;
      readonly name: string;
      readonly labels: Readonly<Record<string, string>>;
      readonly allows: readonly Allowance[];
      readonly force: boolean;
    }
  | { readonly kind: 'leave'; readonly config: AgentConfig };

const { data, insecureRegistries, httpProxy, httpsProxy, noProxy } = AGENT_SETTINGS;
const SETTINGS = { data, insecureRegistries, httpProxy, httpsProxy, noProxy };
const USAGE = 'berth-agent join URL TOKEN|- [--name NAME] [--label KEY=VALUE]… [--allow WORD]… [--data DIR]';

/** Reads the arguments after `join` or `leave`. Throws ConfigError. */
export function readFleetCommand(
  kind: 'join' | 'leave',
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): FleetCommand {
  const { values, positionals } = parse(args);
  const config = readConfig(readOptions(SETTINGS, values), environment);
  const [url, word, extra] = positionals;
  if (kind === 'leave') {
    if (positionals.length > 0) throw new ConfigError('berth-agent leave takes --data DIR alone.');
    return { kind, config };
  }
  const token = kind === 'join' ? tokenOf(word, environment) : undefined;
  if (url === undefined || token === undefined || extra !== undefined) {
    throw new ConfigError(`usage: ${USAGE}; "berth host token" on the registry prints the line.`);
  }
  const parsed = parseJoinToken(token);
  if (parsed === undefined) {
    throw new ConfigError('this is not a join token: copy the whole line that "berth host token" printed.');
  }
  return {
    kind,
    config,
    url: registryUrl(url, config),
    token: parsed,
    name: values.name ?? hostname().toLowerCase().replaceAll('_', '-').split('.', 1)[0] ?? '',
    labels: Object.fromEntries((values.label ?? []).map(readLabel)),
    allows: (values.allow ?? []).flatMap((text) => text.split(',')).map(readAllowance),
    force: values.force === true,
  };
}

/**
 * Returns the token, which need not be on the command line: all users of this machine can read that while it runs.
 * Throws ConfigError.
 */
function tokenOf(
  word: string | undefined,
  { BERTH_JOIN_TOKEN_FILE: file }: Readonly<Record<string, string | undefined>>,
): string | undefined {
  if (word !== undefined && word !== '-') return word;
  const path = word === '-' ? '/dev/stdin' : file;
  if (path === undefined || path === '') return undefined;
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (cause) {
    throw new ConfigError(`the join token cannot be read: ${(cause as Error).message}`, { cause });
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        ...optionsOf(SETTINGS),
        name: { type: 'string' },
        label: { type: 'string', multiple: true },
        allow: { type: 'string', multiple: true },
        force: { type: 'boolean' },
      },
    });
  } catch (cause) {
    throw new ConfigError(`${misusedOption(cause)}; usage: ${USAGE}`, { cause });
  }
}

/** Throws ConfigError for a registry that would receive the token in clear text. */
function registryUrl(text: string, config: AgentConfig): URL {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new ConfigError(
      `"${text}" is not the address of a registry: write one such as https://registry.example.`,
    );
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '') {
    throw new ConfigError(`"${text}" has more than a host and a port: give one such as ${url.origin}.`);
  }
  if (url.protocol === 'http:' && !isInsecure(url, config)) {
    throw new ConfigError(
      `${url.origin} is not encrypted: use https, or allow it by --insecure-registry ${url.host}.`,
    );
  }
  return url;
}

/** Reports whether a registry may be reached without TLS, or with any certificate. */
export function isInsecure(url: URL, { insecureRegistries: named }: AgentConfig): boolean {
  return isLoopback(url.hostname) || named.includes(url.host);
}

function readLabel(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new ConfigError(`"${text}" is not a label: --label takes KEY=VALUE, such as role=web.`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function readAllowance(word: string): Allowance {
  const found = ALLOWANCES.find((one) => one === word);
  if (found !== undefined) return found;
  throw new ConfigError(`"${word}" cannot be allowed: --allow takes ${ALLOWANCES.join(', ')}.`);
}
