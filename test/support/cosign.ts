import type { CleanupScope } from './cleanup.ts';
import { type CommandOptions, type CommandResult, runCommand } from './run-command.ts';
import { makeTempDir } from './temp-dir.ts';

export interface Cosign {
  /** cosign with a key pair of its own (cosign.key and cosign.pub), without any service of the internet. Throws CommandError. */
  cosign(args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Where it runs; removed at the end. */
  readonly directory: string;
}

/** Options of every command that speaks to a registry: plain HTTP, and no transparency log. */
const PLAIN = ['--allow-insecure-registry', '--allow-http-registry'];
const BY_COMMAND: Readonly<Record<string, readonly string[]>> = {
  sign: ['--key=cosign.key', '--tlog-upload=false', '--yes', ...PLAIN],
  attest: ['--key=cosign.key', '--tlog-upload=false', '--yes', ...PLAIN],
  verify: ['--key=cosign.pub', '--insecure-ignore-tlog=true', ...PLAIN],
  'verify-attestation': ['--key=cosign.pub', '--insecure-ignore-tlog=true', ...PLAIN],
  'generate-key-pair': [],
  login: [],
};

/** Sets up cosign apart from the logins, keys and caches of the machine, and makes it a key pair. */
export async function setUpCosign(scope: CleanupScope): Promise<Cosign> {
  const directory = await makeTempDir(scope, 'cosign');
  const env = {
    HOME: directory,
    DOCKER_CONFIG: directory,
    COSIGN_PASSWORD: 'a password',
    COSIGN_EXPERIMENTAL: '1',
  };
  const cosign: Cosign['cosign'] = ([command = '', ...rest], options = {}) =>
    runCommand('cosign', [command, ...(BY_COMMAND[command] ?? PLAIN), ...rest], {
      cwd: directory,
      ...options,
      env: { ...env, ...options.env },
    });
  await cosign(['generate-key-pair']);
  return { cosign, directory };
}
