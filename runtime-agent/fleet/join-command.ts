import { generateKeyPairSync } from 'node:crypto';
import type { HostFacts } from '../../fleet/host.ts';
import { FolderInUseError, type FolderLock, lockFolder } from '../../lib/files/folder-lock.ts';
import { isJsonObject } from '../../lib/json/json-fields.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { HttpExchange } from '../../oci/distribution/http-exchange.ts';
import { fetchAuthority } from './authority.ts';
import {
  type Membership,
  membershipFolder,
  readMembership,
  removeMembership,
  writeMembership,
} from './membership.ts';
import { type FleetCommand, isInsecure } from './read-fleet-command.ts';
import { RegistryAnswerError, readAnswer } from './registry-api.ts';

/**
 * Joins the registry and stores the keys of this host's identity; a running agent notices it. Returns the message for
 * the operator. Throws ConfigError if this host has already joined or is joining, its folder cannot be written, or the
 * registry refuses it.
 */
export async function joinRegistry(
  command: FleetCommand & { readonly kind: 'join' },
  dataDirectory: string,
  facts: HostFacts,
  signal: AbortSignal,
): Promise<string> {
  const lock = lockMembership(dataDirectory);
  try {
    return await join(command, dataDirectory, facts, signal);
  } finally {
    lock.release();
  }
}

/**
 * Locks the membership: of two concurrent joins, the second would leave a host in the registry without a machine.
 * Throws ConfigError.
 */
function lockMembership(dataDirectory: string): FolderLock {
  const folder = membershipFolder(dataDirectory);
  try {
    return lockFolder(folder);
  } catch (cause) {
    if (cause instanceof FolderInUseError) {
      throw new ConfigError('another "berth-agent join" is running for this host.', { cause });
    }
    throw new ConfigError(`${folder} cannot be written: ${(cause as Error).message}`, { cause });
  }
}

async function join(
  command: FleetCommand & { readonly kind: 'join' },
  dataDirectory: string,
  facts: HostFacts,
  signal: AbortSignal,
): Promise<string> {
  const { url, token, config } = command;
  const before = await readMembership(dataDirectory);
  if (before !== undefined && !command.force) {
    throw new ConfigError(
      `this host has joined ${before.url} as ${before.name}: give --force to join another registry or again.`,
    );
  }
  const { generateX25519Identity, identityToRecipient } = await import('age-encryption');
  const identity = await generateX25519Identity();
  const pair = generateKeyPairSync('ed25519');
  const key = pair.privateKey.export({ format: 'jwk' });
  const authority = token.authority && (await fetchAuthority(url, token.authority, config.proxies, signal));
  const insecure = authority === undefined && isInsecure(url, config);
  const exchange = new HttpExchange(config.proxies);
  if (authority !== undefined) exchange.trust(url.host, authority);
  const request = {
    token: token.secret,
    name: command.name,
    publicKey: key.x,
    recipient: await identityToRecipient(identity),
    labels: command.labels,
    facts,
  };
  const joined = await post(exchange, new URL('/api/v1/fleet/join', url), request, insecure, signal);
  exchange.close();
  const membership: Membership = {
    url: url.origin,
    ...joined,
    allows: command.allows,
    insecure,
    ...(authority !== undefined && { authority }),
    key,
    identity,
  };
  await writeMembership(dataDirectory, membership);
  return `joined ${url.origin} as ${joined.name}`;
}

async function post(
  exchange: HttpExchange,
  url: URL,
  body: unknown,
  insecure: boolean,
  signal: AbortSignal,
): Promise<{ readonly id: string; readonly name: string }> {
  try {
    const response = await exchange.send({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(body),
      verifyCertificate: !insecure,
      signal,
    });
    const answer = await readAnswer(response, 1024 * 1024, signal);
    const { id, name }: { id?: unknown; name?: unknown } = isJsonObject(answer) ? answer : {};
    if (typeof id === 'string' && typeof name === 'string') return { id, name };
    throw new ConfigError(
      `${url.origin} does not answer as a Berth registry with a fleet: check the address.`,
    );
  } catch (cause) {
    if (signal.aborted || cause instanceof ConfigError) throw cause;
    const { message } = cause as Error;
    const why =
      cause instanceof RegistryAnswerError
        ? `${url.origin} refused this host`
        : `${url.origin} cannot be reached`;
    throw new ConfigError(`${why}: ${message}`, { cause });
  }
}

/** Forgets the registry; instances continue. Throws ConfigError if the host has not joined one. */
export async function leaveRegistry(dataDirectory: string): Promise<string> {
  const before = await readMembership(dataDirectory);
  if (before === undefined || !(await removeMembership(dataDirectory))) {
    throw new ConfigError('this host has joined no registry.');
  }
  return `left ${before.url}; its instances keep running. Run "berth host rm ${before.name}" on the registry as well`;
}
