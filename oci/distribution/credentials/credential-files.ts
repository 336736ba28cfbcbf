import { readFile } from 'node:fs/promises';
import { DistributionError } from '../errors.ts';
import { type AuthFile, findKey, keysOf, parseAuthFile } from './auth-file.ts';
import { askHelper } from './credential-helper.ts';
import type { RegistryCredentials } from './registry-credentials.ts';

/** Where credentials come from when nobody has given any. */
export interface CredentialSource {
  /** Those for a repository; for a registry alone where `repository` is ''. Throws DistributionError 'registry'. */
  find(registry: string, repository: string, signal: AbortSignal): Promise<RegistryCredentials | undefined>;
}

/** The agent's own logins: docker's config.json and containers' auth.json files, read anew each time; the first that knows a registry counts. */
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

/** Single helpers count before the one of all, and that before what stands in the file, as docker has it. */
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

/** A file that is not there holds nothing yet. */
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
