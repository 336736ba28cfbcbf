import { readVersion } from '../../lib/files/version.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { readOutgoingProxies } from '../config/outgoing-proxies.ts';
import { COMMAND_HELP, HELP } from './help.ts';
import { advice } from './parse-options.ts';
import { tellLine } from './printable.ts';

/** A command of the program: takes its arguments, returns its exit code. Throws ConfigError for wrong usage. */
type Command = (args: readonly string[]) => Promise<number>;

/** Each is loaded when it is called: `--help` needs no database. */
const COMMANDS: Readonly<Record<keyof typeof COMMAND_HELP, () => Promise<Command>>> = {
  backup: async () => (await import('./backup.ts')).backup,
  downgrade: async () => (await import('./downgrade.ts')).downgrade,
  'support-bundle': async () => (await import('./support-bundle.ts')).supportBundle,
  upgrade: async () => (await import('./upgrade.ts')).upgrade,
  restore: async () => (await import('./restore.ts')).restore,
  serve: async () => (await import('./serve.ts')).serve,
  catalog: async () => (await import('./catalog.ts')).catalog,
  audit: async () => (await import('./audit.ts')).audit,
  fsck: async () => (await import('./fsck.ts')).fsck,
  gc: async () => (await import('./gc.ts')).gc,
  import: async () => (await import('./import.ts')).importFrom,
  user: async () => (await import('./user.ts')).user,
  team: async () => (await import('./user.ts')).team,
  grant: async () => (await import('./grant.ts')).grant,
  rule: async () => (await import('./grant.ts')).rule,
  provider: async () => (await import('./provider.ts')).provider,
  login: async () => (await import('./login.ts')).login,
  token: async () => (await import('./token.ts')).token,
  robot: async () => (await import('./token.ts')).robot,
  webhook: async () => (await import('./webhook.ts')).webhook,
  repo: async () => (await import('./content/repo.ts')).repo,
  manifest: async () => (await import('./content/manifest.ts')).manifest,
  completion: async () => (await import('./completion.ts')).completion,
  context: async () => (await import('./context.ts')).context,
  tag: async () => (await import('./content/tag.ts')).tag,
  'tag-rule': async () => (await import('./tag-rule.ts')).tagRule,
  quota: async () => (await import('./quota.ts')).quota,
  host: async () => (await import('./fleet/hosts.ts')).host,
  hosts: async () => (await import('./fleet/hosts.ts')).hosts,
  deploy: async () => (await import('./fleet/deploy.ts')).deploy,
  apps: async () => (await import('./fleet/apps.ts')).apps,
  ps: async () => (await import('./fleet/apps.ts')).ps,
  logs: async () => (await import('./fleet/logs.ts')).logs,
  exec: async () => (await import('./fleet/exec.ts')).exec,
  history: async () => (await import('./fleet/apps.ts')).history,
  rollback: async () => (await import('./fleet/rollouts.ts')).rollback,
  follow: async () => (await import('./fleet/apps.ts')).follow,
  restart: async () => (await import('./fleet/rollouts.ts')).restart,
  scale: async () => (await import('./fleet/rollouts.ts')).scale,
  rm: async () => (await import('./fleet/apps.ts')).rm,
  secret: async () => (await import('./fleet/secrets.ts')).secret,
  running: async () => (await import('./fleet/running.ts')).running,
};

const HELP_WORDS: readonly string[] = ['--help', '-h'];

/**
 * Runs the command in `args` (without node and the script) and returns the exit code. Wrong usage and an invalid
 * configuration cause one sentence on standard error and exit code 2.
 */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  // The command that runs in an instance has options of its own.
  const first = rest.findIndex((word) => !word.startsWith('-'));
  const words = name === 'exec' && first >= 0 ? rest.slice(0, first) : rest;
  try {
    if (name === '--version' || words.includes('--version')) return print(`${await readVersion()}\n`);
    if (name === undefined)
      throw new ConfigError('no command was given: try "berth serve" or "berth --help"');
    if (HELP_WORDS.includes(name)) return print(HELP);
    if (name === 'help') return print(rest[0] === undefined ? HELP : COMMAND_HELP[commandOf(rest[0])]);
    const known = commandOf(name);
    if (words.some((word) => HELP_WORDS.includes(word))) return print(COMMAND_HELP[known]);
    const proxies = readOutgoingProxies(process.env);
    if (proxies !== undefined) (await import('../use-proxies.ts')).useProxies(proxies);
    const command = await COMMANDS[known]();
    return await command(rest);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    tellLine(`berth: ${error.message}`);
    return 2;
  }
}

function commandOf(name: string): keyof typeof COMMAND_HELP {
  if (Object.hasOwn(COMMAND_HELP, name)) return name as keyof typeof COMMAND_HELP;
  const what = name.startsWith('-') ? 'option' : 'command';
  const known = what === 'option' ? ['--help', '--version'] : Object.keys(COMMAND_HELP);
  throw new ConfigError(`the ${what} "${name}" is not known: ${advice(name, known, '"berth --help"')}`);
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}
