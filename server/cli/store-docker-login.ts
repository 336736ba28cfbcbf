import { spawn } from 'node:child_process';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { isJsonObject, type JsonObject } from '../../oci/json.ts';
import { dockerConfigFile, readDockerConfig, replacePrivateFile } from './docker-config.ts';

/** A login in the form that `docker login` stores. */
export interface DockerLogin {
  /** As at the start of image names: `HOST` or `HOST:PORT`. */
  readonly server: string;
  readonly user: string;
  readonly secret: string;
}

/**
 * Stores a login for docker: with the credential helper that `config.json` names for the server, or in that file
 * (0600), which is replaced atomically and keeps its other fields. Returns the location. Throws ConfigError.
 */
export async function storeDockerLogin(
  login: DockerLogin,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const { server, user, secret } = login;
  const file = dockerConfigFile(env);
  const config = await readDockerConfig(file);
  const helper = helperOf(config, server);
  const auths = isJsonObject(config.auths) ? config.auths : {};
  if (helper === undefined) {
    const auth = Buffer.from(`${user}:${secret}`).toString('base64');
    await replacePrivateFile(file, { ...config, auths: { ...auths, [server]: { auth } } });
    return file;
  }
  await storeWithHelper(helper, login, env);
  // As in docker: an empty entry marks a server known to the helper.
  await replacePrivateFile(file, { ...config, auths: { ...auths, [server]: {} } });
  return `the credential helper ${helper}`;
}

function helperOf({ credHelpers, credsStore }: JsonObject, server: string): string | undefined {
  const own = isJsonObject(credHelpers) ? credHelpers[server] : undefined;
  const name = own ?? credsStore;
  if (typeof name !== 'string' || name === '') return undefined;
  if (!/^[\w.-]+$/.test(name)) throw new ConfigError(`"${name}" is not the name of a credential helper`);
  return `docker-credential-${name}`;
}

/** The protocol of credential helpers (docker-credential-helpers, "Development"). */
async function storeWithHelper(
  helper: string,
  { server, user, secret }: DockerLogin,
  env: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const child = spawn(helper, ['store'], { env: { ...env }, stdio: ['pipe', 'ignore', 'ignore'] });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code));
  });
  // The exit code of a helper that ends early gives the reason.
  child.stdin.on('error', () => undefined);
  child.stdin.end(JSON.stringify({ ServerURL: server, Username: user, Secret: secret }));
  let code: number | null;
  try {
    code = await ended;
  } catch (cause) {
    throw new ConfigError(
      `the credential helper ${helper} cannot be run: install it, or remove it from config.json`,
      {
        cause,
      },
    );
  }
  if (code !== 0)
    throw new ConfigError(`the credential helper ${helper} did not store the login (exit code ${code})`);
}
