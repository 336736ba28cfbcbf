import { parseArgs } from 'node:util';
import { type AgentConfig, ConfigError, readConfig } from '../config.ts';

/** What the command line asks for. */
export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'serve'; readonly config: AgentConfig }
  | { readonly kind: 'doctor'; readonly config: AgentConfig; readonly json: boolean }
  /** Without `yes` it only lists. */
  | { readonly kind: 'reset'; readonly yes: boolean };

/** Reads the arguments after the script, and for `serve` and `doctor` the configuration. Throws ConfigError. */
export function readCommandLine(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Command {
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
  if (command !== 'serve' && command !== 'doctor') {
    const asked = command === undefined ? 'no command was given' : `there is no command "${command}"`;
    throw new ConfigError(
      `${asked}: use "berth-agent serve", "berth-agent doctor" or "berth-agent reset", or "berth-agent --help" for their options.`,
    );
  }
  if (extra !== undefined) throw new ConfigError(`"${extra}" is too much: ${command} takes options only.`);
  if (values.json !== undefined && command !== 'doctor') {
    throw new ConfigError('--json is an option of "berth-agent doctor" alone.');
  }
  const registries = values['insecure-registry'];
  const flags = {
    ...(values.socket === undefined ? {} : { socket: values.socket }),
    ...(values['socket-group'] === undefined ? {} : { socketGroup: values['socket-group'] }),
    ...(values.data === undefined ? {} : { data: values.data }),
    ...(registries === undefined ? {} : { insecureRegistries: registries }),
    ...(values['discard-layer-blobs'] === undefined ? {} : { discardLayerBlobs: true }),
    ...(values['registry-mirror'] === undefined ? {} : { registryMirrors: values['registry-mirror'] }),
    ...(values['registry-auth'] === undefined ? {} : { registryAuthFiles: values['registry-auth'] }),
    ...(values['http-proxy'] === undefined ? {} : { httpProxy: values['http-proxy'] }),
    ...(values['https-proxy'] === undefined ? {} : { httpsProxy: values['https-proxy'] }),
    ...(values['no-proxy'] === undefined ? {} : { noProxy: values['no-proxy'] }),
    ...(values['build-context-limit'] === undefined
      ? {}
      : { buildContextLimit: values['build-context-limit'] }),
    ...(values['allow-build'] === undefined ? {} : { allowBuild: values['allow-build'] }),
    ...(values['build-cache-limit'] === undefined ? {} : { buildCacheLimit: values['build-cache-limit'] }),
    ...(values['layer-limit'] === undefined ? {} : { layerLimit: values['layer-limit'] }),
    ...(values['log-level'] === undefined ? {} : { logLevel: values['log-level'] }),
    ...(values.watchdog === undefined ? {} : { watchdog: values.watchdog }),
    ...(values.listen === undefined ? {} : { listen: values.listen }),
    ...(values['tls-ca'] === undefined ? {} : { tlsAuthority: values['tls-ca'] }),
    ...(values['tls-cert'] === undefined ? {} : { tlsCertificate: values['tls-cert'] }),
    ...(values['tls-key'] === undefined ? {} : { tlsKey: values['tls-key'] }),
    ...(values.config === undefined ? {} : { config: values.config }),
  };
  const config = readConfig(flags, environment);
  return command === 'serve'
    ? { kind: 'serve', config }
    : { kind: 'doctor', config, json: values.json === true };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        'allow-build': { type: 'string', multiple: true },
        'build-cache-limit': { type: 'string' },
        'build-context-limit': { type: 'string' },
        config: { type: 'string' },
        data: { type: 'string' },
        'discard-layer-blobs': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        'http-proxy': { type: 'string' },
        'https-proxy': { type: 'string' },
        'insecure-registry': { type: 'string', multiple: true },
        listen: { type: 'string' },
        json: { type: 'boolean' },
        'layer-limit': { type: 'string' },
        'log-level': { type: 'string' },
        'no-proxy': { type: 'string' },
        'registry-auth': { type: 'string', multiple: true },
        'registry-mirror': { type: 'string', multiple: true },
        socket: { type: 'string' },
        'socket-group': { type: 'string' },
        'tls-ca': { type: 'string' },
        'tls-cert': { type: 'string' },
        'tls-key': { type: 'string' },
        watchdog: { type: 'string' },
        version: { type: 'boolean', short: 'v' },
        yes: { type: 'boolean' },
      },
    });
  } catch (error) {
    const sentence = (error as Error).message.split('\n')[0]?.replace(/\.$/, '');
    throw new ConfigError(`${sentence}; "berth-agent --help" shows the options.`, { cause: error });
  }
}
