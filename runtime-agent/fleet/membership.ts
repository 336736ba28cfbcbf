import type { webcrypto } from 'node:crypto';
import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Allowance } from '../../fleet/host.ts';
import { makeFolder } from '../../lib/files/make-folder.ts';
import { openPrivateFile } from '../../lib/files/private-file.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';

/** The registry that this host has joined, and its identity there. */
export interface Membership {
  /** `https://HOST[:PORT]` without a path. */
  readonly url: string;
  /** ID of the host, assigned by the registry. */
  readonly id: string;
  readonly name: string;
  readonly allows: readonly Allowance[];
  /** Whether plain HTTP, or any certificate, is accepted, because the operator has declared the registry insecure. */
  readonly insecure: boolean;
  /** PEM of the only trusted authority for this registry; if absent, the authorities of this machine are trusted. */
  readonly authority?: string;
  /** Ed25519, private, as a JWK. */
  readonly key: webcrypto.JsonWebKey;
  /** `AGE-SECRET-KEY-1…`: opens the secrets that are sealed for this host. */
  readonly identity: string;
}

/** The folder of the files below; the agent watches it. */
export function membershipFolder(dataDirectory: string): string {
  return join(dataDirectory, 'fleet');
}

const FILE = 'membership.json';

/** Returns undefined for a host that has not joined. Throws ConfigError for a file that cannot be read. */
export async function readMembership(dataDirectory: string): Promise<Membership | undefined> {
  const path = join(membershipFolder(dataDirectory), FILE);
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Membership;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new ConfigError(
      `the file ${path} cannot be read (${(cause as Error).message}): join again with --force, or restore it`,
      { cause },
    );
  }
}

/** Replaces the file atomically; it and its folder are for root alone. */
export async function writeMembership(dataDirectory: string, membership: Membership): Promise<void> {
  const folder = membershipFolder(dataDirectory);
  makeFolder(folder);
  const path = join(folder, FILE);
  {
    await using file = await openPrivateFile(`${path}.new`, 'w');
    await file.writeFile(`${JSON.stringify(membership, null, 2)}\n`);
    await file.sync();
  }
  await rename(`${path}.new`, path);
  await using parent = await openPrivateFile(folder, 'r');
  await parent.sync();
}

/** Returns false if there was none. */
export async function removeMembership(dataDirectory: string): Promise<boolean> {
  try {
    await rm(join(membershipFolder(dataDirectory), FILE));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
