import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { chooseProxy } from '../../lib/http/proxies/choose-proxy.ts';
import { trimEndOf } from '../../lib/pattern/trim.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { readVariable } from '../../lib/settings/settings.ts';
import { CredentialFiles } from '../../oci/distribution/credentials/credential-files.ts';
import type { RegistryCredentials } from '../../oci/distribution/credentials/registry-credentials.ts';
import { HttpExchange } from '../../oci/distribution/http-exchange.ts';
import { loginRegistry } from '../../oci/distribution/registry-address.ts';
import { parseS3Url, type S3Settings, S3SettingsError } from '../../storage/blobs/s3/s3-settings.ts';
import { DOCKER_REGISTRY_ROOT, DockerRegistrySource } from '../../storage/import/docker-registry-source.ts';
import { FolderTree } from '../../storage/import/folder-tree.ts';
import type { ImportSource } from '../../storage/import/import-source.ts';
import { RegistrySource } from '../../storage/import/registry-source.ts';
import { readOutgoingProxies } from '../config/outgoing-proxies.ts';
import { findDockerConfigFile } from './docker-config.ts';
import { withoutPassword } from './printable.ts';

/** Milliseconds that a bucket has for its first answer. */
const BUCKET_TIME = 60_000;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Opens the source in `--from`: the URL of a registry, or a folder or bucket of docker-registry. Throws ConfigError for
 * any other text.
 */
export async function openImportSource(
  from: string,
  user: string | undefined,
  env: Environment,
): Promise<ImportSource> {
  if (/^https?:\/\//i.test(from)) return openRegistry(from, user, env);
  if (user !== undefined) throw new ConfigError('--user is for registries: --from names a storage');
  if (from.startsWith('s3:')) return openBucket(from, env);
  if (await isFolder(join(from, DOCKER_REGISTRY_ROOT))) return new DockerRegistrySource(new FolderTree(from));
  throw new ConfigError(
    `${from} has no folder ${DOCKER_REGISTRY_ROOT}: give the rootdirectory of docker-registry, its bucket as ` +
      's3://BUCKET/PREFIX, or the URL of a registry, such as https://registry.example',
  );
}

async function openBucket(from: string, env: Environment): Promise<ImportSource> {
  // The libraries of S3 take long to load.
  const { BucketTree } = await import('../../storage/import/bucket-tree.ts');
  const settings = settingsOf(from, env);
  const tree = new BucketTree(settings);
  try {
    for await (const { name } of tree.list(DOCKER_REGISTRY_ROOT, AbortSignal.timeout(BUCKET_TIME))) {
      if (name === 'repositories') return new DockerRegistrySource(tree);
    }
  } catch (cause) {
    throw new ConfigError((cause as Error).message, { cause });
  }
  throw new ConfigError(
    `the bucket ${settings.bucket} has nothing below ${settings.prefix}${DOCKER_REGISTRY_ROOT}/repositories/: ` +
      'give the rootdirectory of docker-registry as the prefix',
  );
}

function settingsOf(from: string, env: Environment): S3Settings {
  try {
    return parseS3Url(from, chooseProxy(readOutgoingProxies(env)));
  } catch (cause) {
    if (!(cause instanceof S3SettingsError)) throw cause;
    throw new ConfigError(`--from cannot be used: ${cause.message}`, { cause });
  }
}

function openRegistry(from: string, user: string | undefined, env: Environment): ImportSource {
  const url = URL.parse(from);
  if (url === null || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') {
    throw new ConfigError(
      `"${withoutPassword(from)}" is not the URL of a registry: write https://registry.example; pass a login with --user and BERTH_IMPORT_PASSWORD`,
    );
  }
  // Some users write the URL of the API rather than that of the registry.
  url.pathname = `${trimEndOf(trimEndOf(url.pathname, '/').replace(/\/v2$/, ''), '/')}/`;
  return new RegistrySource({
    url,
    exchange: new HttpExchange(readOutgoingProxies(env), 'berth-import'),
    credentials: credentialsFor(url.host, user, env),
  });
}

function credentialsFor(
  host: string,
  user: string | undefined,
  env: Environment,
): (signal: AbortSignal) => Promise<RegistryCredentials> {
  if (user === undefined) {
    const file = findDockerConfigFile(env);
    const files = new CredentialFiles(file === undefined ? [] : [file]);
    return async (signal) => (await files.find(loginRegistry(host), '', signal)) ?? {};
  }
  const password = readVariable(env, 'BERTH_IMPORT_PASSWORD');
  if (password === undefined) throw new ConfigError('--user needs a password in BERTH_IMPORT_PASSWORD');
  return async () => ({ username: user, password });
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    throw new ConfigError(`${path} cannot be read (${code})`, { cause: error });
  }
}
