import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isLoopback } from '../../../lib/http/addresses.ts';
import { trimEndOf } from '../../../lib/pattern/trim.ts';
import { ConfigError } from '../../../lib/settings/config-error.ts';
import { isJsonObject, type JsonObject } from '../../../oci/json.ts';
import { dockerConfigFile, findDockerConfigFile, replacePrivateFile } from '../docker-config.ts';
import { withoutPassword } from '../printable.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Options that choose the registry. */
export const REGISTRY_OPTIONS = {
  server: { type: 'string' },
  ca: { type: 'string' },
  insecure: { type: 'boolean' },
} as const;

/** A registry as chosen by a person. */
export interface ChosenRegistry {
  /** Its path ends in a slash. */
  readonly url: URL;
  /** A file with certificates of further trusted authorities. */
  readonly ca?: string;
  readonly insecure: boolean;
}

interface Choice {
  readonly server?: string | undefined;
  readonly ca?: string | undefined;
  readonly insecure?: boolean | undefined;
}

/** The registry of --server or BERTH_SERVER; undefined when neither is given. Throws ConfigError. */
export function namedRegistry(choice: Choice, env: Environment): ChosenRegistry | undefined {
  const text = choice.server ?? (env.BERTH_SERVER || undefined);
  if (text === undefined) return undefined;
  const ca = choice.ca ?? (env.BERTH_CA || undefined);
  return checked({ server: text, ca, insecure: choice.insecure });
}

/**
 * Returns the current registry of those that `berth login` logged in to; undefined before the first. Throws
 * ConfigError.
 */
export async function lastRegistry(choice: Choice, env: Environment): Promise<ChosenRegistry | undefined> {
  const { contexts, current } = await readContexts(env);
  const kept = current === undefined ? undefined : contexts.get(current);
  if (kept === undefined) return undefined;
  const ca = choice.ca ?? (env.BERTH_CA || kept.ca);
  return checked({ ...kept, ca, insecure: choice.insecure ?? kept.insecure });
}

/** Stores a registry as a context, named by its host, and makes commands without --server use it from now on. */
export async function keepRegistry({ url, ca, insecure }: ChosenRegistry, env: Environment): Promise<void> {
  const { contexts } = await readContexts(env);
  const kept = {
    server: url.href,
    ...(ca !== undefined && { ca: resolve(ca) }),
    ...(insecure && { insecure }),
  };
  await writeContexts({ contexts: new Map([...contexts, [url.host, kept]]), current: url.host }, env);
}

/** A registry that `berth login` has stored. */
export interface Context {
  readonly server: string;
  readonly ca?: string;
  readonly insecure?: boolean;
}

/** Registries of `berth login` by host. */
export interface Contexts {
  readonly contexts: ReadonlyMap<string, Context>;
  /** The current registry, which commands use. */
  readonly current?: string | undefined;
}

/** Reads the contexts that `berth login` has stored. Throws ConfigError. */
export async function readContexts(env: Environment): Promise<Contexts> {
  if (findDockerConfigFile(env) === undefined) return { contexts: new Map() };
  let text: string;
  try {
    text = await readFile(choiceFile(env), 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return { contexts: new Map() };
    throw new ConfigError(`${choiceFile(env)} cannot be read (${code})`, { cause: error });
  }
  const kept = parseContexts(text);
  if (kept === undefined) throw new ConfigError(`${choiceFile(env)} is damaged: log in again, or remove it`);
  return kept;
}

/** Replaces the file of the contexts (0600). Throws ConfigError. */
export async function writeContexts({ contexts, current }: Contexts, env: Environment): Promise<void> {
  const kept = { ...(current !== undefined && { current }), contexts: Object.fromEntries(contexts) };
  try {
    await replacePrivateFile(choiceFile(env), kept);
  } catch (cause) {
    throw new ConfigError(`${choiceFile(env)} cannot be written (${(cause as NodeJS.ErrnoException).code})`, {
      cause,
    });
  }
}

/** Parses the address of a registry. Throws ConfigError, also for http to another machine unless `insecure`. */
export function checked({ server = '', ca, insecure = false }: Choice): ChosenRegistry {
  const url = URL.parse(server.includes('://') ? server : `https://${server}`);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.hostname === '') {
    throw new ConfigError(
      `"${withoutPassword(server)}" is not the address of a registry: write https://HOST[:PORT]`,
    );
  }
  if (url.protocol === 'http:' && !insecure && !isLoopback(url.hostname)) {
    throw new ConfigError(
      `a token sent to ${url.host} over plain http can be read by anybody on the way: write https://HOST[:PORT], or --insecure`,
    );
  }
  url.pathname = `${trimEndOf(url.pathname, '/')}/`;
  url.search = '';
  url.hash = '';
  return { url, insecure, ...(ca !== undefined && { ca }) };
}

/** Makes this process also trust the authorities in a file. Throws ConfigError. */
export async function trustAuthorities(file: string): Promise<void> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new ConfigError(`the file ${file} of --ca cannot be read: ${(cause as Error).message}`, { cause });
  }
  // It takes 15 ms to load.
  const tls = process.getBuiltinModule('node:tls');
  try {
    tls.setDefaultCACertificates([...tls.getCACertificates('default'), text]);
  } catch (cause) {
    throw new ConfigError(`the file ${file} of --ca has no certificates as PEM`, { cause });
  }
}

/** Returns the file beside docker's config.json, which has the login. */
function choiceFile(env: Environment): string {
  return join(dirname(dockerConfigFile(env)), 'berth.json');
}

function parseContexts(text: string): Contexts | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isJsonObject(value)) return undefined;
  // The format of version 1: only the last login.
  if (typeof value.server === 'string') {
    const context = parseContext(value);
    const host = URL.parse(value.server)?.host;
    return context && host ? { contexts: new Map([[host, context]]), current: host } : undefined;
  }
  if (!isJsonObject(value.contexts)) return undefined;
  const contexts = new Map<string, Context>();
  for (const [name, entry] of Object.entries(value.contexts)) {
    const context = isJsonObject(entry) ? parseContext(entry) : undefined;
    if (context === undefined) return undefined;
    contexts.set(name, context);
  }
  return { contexts, ...(typeof value.current === 'string' && { current: value.current }) };
}

function parseContext({ ca, insecure, server }: JsonObject): Context | undefined {
  if (typeof server !== 'string') return undefined;
  return {
    server,
    ...(typeof ca === 'string' && { ca }),
    ...(insecure === true && { insecure }),
  };
}
