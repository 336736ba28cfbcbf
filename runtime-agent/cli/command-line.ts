import { parseArgs } from 'node:util';
import { type AgentConfig, ConfigError, readConfig } from '../config.ts';

/** What the command line asks for. */
export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'serve'; readonly config: AgentConfig };

/** Reads the arguments after the script, and for `serve` its configuration. Throws ConfigError. */
export function readCommandLine(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Command {
  const { values, positionals } = parse(args);
  if (values.help === true) return { kind: 'help' };
  if (values.version === true) return { kind: 'version' };
  const [command, extra] = positionals;
  if (command !== 'serve') {
    const asked = command === undefined ? 'no command was given' : `there is no command "${command}"`;
    throw new ConfigError(`${asked}: use "berth-agent serve", or "berth-agent --help" for its options.`);
  }
  if (extra !== undefined) throw new ConfigError(`"${extra}" is too much: serve takes options only.`);
  const registries = values['insecure-registry'];
  const flags = {
    ...(values.socket === undefined ? {} : { socket: values.socket }),
    ...(values['socket-group'] === undefined ? {} : { socketGroup: values['socket-group'] }),
    ...(values.data === undefined ? {} : { data: values.data }),
    ...(registries === undefined ? {} : { insecureRegistries: registries }),
    ...(values['log-level'] === undefined ? {} : { logLevel: values['log-level'] }),
    ...(values.config === undefined ? {} : { config: values.config }),
  };
  return { kind: 'serve', config: readConfig(flags, environment) };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        data: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
        'insecure-registry': { type: 'string', multiple: true },
        'log-level': { type: 'string' },
        socket: { type: 'string' },
        'socket-group': { type: 'string' },
        version: { type: 'boolean', short: 'v' },
      },
    });
  } catch (error) {
    const sentence = (error as Error).message.split('\n')[0]?.replace(/\.$/, '');
    throw new ConfigError(`${sentence}; "berth-agent --help" shows the options.`, { cause: error });
  }
}
