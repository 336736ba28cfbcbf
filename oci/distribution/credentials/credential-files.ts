import { readFile } from 'node:fs/promises';
import { DistributionError } from '../errors.ts';
import { type AuthFile, findKey, keysOf, parseAuthFile } from './auth-file.ts';
import { askHelper } from './credential-helper.ts';
import type { RegistryCredentials } from './registry-credentials.ts';

/** The source of credentials when a caller passes none. */
export interface CredentialSource {
  /**
   * Finds the credentials for a repository; for the whole registry when `repository` is ''. Throws DistributionError
   * 'registry'.
   */
  find(registry: string, repository: string, signal: AbortSignal): Promise<RegistryCredentials | undefined>;
}

/**
 * The host's own logins: docker's config.json and containers' auth.json, reread each time. The first file with an entry
 * for the registry counts.
 */
export class CredentialFiles implements CredentialSource {
  readonly #paths: readonly string[];

  constructor(paths: readonly string[]) {
    this.#paths = paths;
  }

  async find(
    registry: string,
    repository: string,
    signal: AbortSignal,
  ): Promise<RegistryCredentials | undefined> {
    for (const path of this.#paths) {
      const file = await readAuthFile(path);
      const found = file && (await findIn(file, keysOf(registry, repository), signal));
      if (found !== undefined && Object.keys(found).length > 0) return found;
    }
    return undefined;
  }
}

/** As in docker, the registry's own helper counts before the default helper, and that before entries in the file. */
async function findIn(
  file: AuthFile,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<RegistryCredentials | undefined> {
  for (const key of keys) {
    const single = findKey(file.credHelpers.keys(), key);
    if (single !== undefined) return await askHelper(file.credHelpers.get(single) ?? '', single, signal);
  }
  const known = keys.map((key) => findKey(file.auths.keys(), key)).find((key) => key !== undefined);
  if (file.credsStore !== undefined) {
    const server = known ?? (keys.includes('index.docker.io') ? 'https://index.docker.io/v1/' : keys.at(-1));
    return await askHelper(file.credsStore, server ?? '', signal);
  }
  return known === undefined ? undefined : file.auths.get(known);
}

/** A missing file has no entries. */
async function readAuthFile(path: string): Promise<AuthFile | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new DistributionError(
      'registry',
      `the file ${path} with the logins of registries cannot be read: ${(error as Error).message}`,
      { cause: error },
    );
  }
  return parseAuthFile(text, path);
}
