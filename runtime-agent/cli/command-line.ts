import { parseArgs } from 'node:util';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { misusedOption } from '../../lib/settings/misused-option.ts';
import { optionsOf, readOptions } from '../../lib/settings/settings.ts';
import { SHELLS, type Shell } from '../../lib/terminal/completion.ts';
import { type AgentConfig, type ConfigFlags, readConfig } from '../config.ts';
import { type FleetCommand, readFleetCommand } from '../fleet/read-fleet-command.ts';
import { AGENT_SETTINGS } from '../settings.ts';

const DOCTOR_FORMATS = ['table', 'json', 'jsonl'] as const;
export type DoctorFormat = (typeof DOCTOR_FORMATS)[number];

/** A parsed command line. */
export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'completion'; readonly shell: Shell }
  | { readonly kind: 'serve'; readonly config: AgentConfig }
  | { readonly kind: 'doctor'; readonly config: AgentConfig; readonly format: DoctorFormat }
  | {
      readonly kind: 'support-bundle';
      readonly flags: ConfigFlags;
      readonly output?: string | undefined;
      readonly log?: string | undefined;
    }
  | FleetCommand
  /** Without `yes` it only lists leftovers. */
  | { readonly kind: 'reset'; readonly yes: boolean };

/** Reads the arguments after the script, and for `serve` and `doctor` the configuration. Throws ConfigError. */
export function readCommandLine(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Command {
  const [first, ...others] = args;
  if ((first === 'join' || first === 'leave') && !others.includes('--help')) {
    return readFleetCommand(first, others, environment);
  }
  if (first === 'completion' && !others.includes('--help')) {
    const shell = SHELLS.find((one) => one === others[0]);
    if (shell !== undefined && others.length === 1) return { kind: 'completion', shell };
    throw new ConfigError(`write: berth-agent completion ${SHELLS.join('|')}.`);
  }
  const { values, positionals } = parse(args);
  if (values.help === true) return { kind: 'help' };
  if (values.version === true) return { kind: 'version' };
  const [command, extra] = positionals;
  if (values.yes !== undefined && command !== 'reset') {
    throw new ConfigError('--yes is an option of "berth-agent reset" alone.');
  }
  if (command === 'reset') {
    const other = extra ?? Object.keys(values).find((option) => option !== 'yes');
    if (other !== undefined)
      throw new ConfigError(`"${other}" is not an option of reset: it takes --yes alone.`);
    return { kind: 'reset', yes: values.yes === true };
  }
  if (command !== 'serve' && command !== 'doctor' && command !== 'support-bundle') {
    const asked = command === undefined ? 'no command was given' : `there is no command "${command}"`;
    throw new ConfigError(
      `${asked}: use "berth-agent serve", "berth-agent join", "berth-agent leave", "berth-agent doctor", "berth-agent support-bundle" or "berth-agent reset", or "berth-agent --help" for their options.`,
    );
  }
  if (extra !== undefined)
    throw new ConfigError(`"${extra}" is not an option: ${command} takes only options.`);
  const given = values.json === undefined ? values.format : 'json';
  if (given !== undefined && command !== 'doctor') {
    throw new ConfigError('--json and --format are options of "berth-agent doctor" alone.');
  }
  const format = DOCTOR_FORMATS.find((one) => one === (given ?? 'table'));
  if (format === undefined)
    throw new ConfigError(`"${given}" is not a valid --format: write json, jsonl or table.`);
  const file = values.config === undefined ? {} : { config: String(values.config) };
  const flags = { ...readOptions(AGENT_SETTINGS, values), ...file };
  const { log, output } = values;
  if (command === 'support-bundle') return { kind: 'support-bundle', flags, log, output };
  if (log !== undefined || output !== undefined) {
    throw new ConfigError('--log and --output are options of "berth-agent support-bundle" alone.');
  }
  const config = readConfig(flags, environment);
  return command === 'serve' ? { kind: 'serve', config } : { kind: 'doctor', config, format };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        ...optionsOf(AGENT_SETTINGS),
        config: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
        format: { type: 'string' },
        json: { type: 'boolean' },
        log: { type: 'string' },
        output: { type: 'string' },
        version: { type: 'boolean', short: 'v' },
        yes: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new ConfigError(`${misusedOption(error)}: "berth-agent --help" shows the options.`, {
      cause: error,
    });
  }
}
