import { access, constants } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { readJsonAtMost } from '../../lib/streams/read-at-most.ts';
import { isJsonObject, type JsonObject } from '../../oci/json.ts';
import { dockerConfigFile } from './docker-config.ts';
import { refusedOption } from './parse-options.ts';
import { tellLine } from './printable.ts';
import { type ChosenRegistry, checked, keepRegistry, trustAuthorities } from './remote/chosen-registry.ts';
import { storeDockerLogin } from './store-docker-login.ts';

const OPTIONS = {
  name: { type: 'string' },
  ca: { type: 'string' },
  insecure: { type: 'boolean' },
} as const;
const GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:device_code';
/** Timeout of a request, milliseconds. */
const TIMEOUT = 30_000;
/** Maximum bytes of an answer. */
const LARGEST_ANSWER = 1 << 20;
const SLOWER = 5_000;
/** Maximum consecutive failures: the registry may be restarting. */
const MOST_FAILURES = 5;

/** The registry refused the terminal's login. The message is a sentence for the person who asked. */
class LoginFailedError extends Error {}

/**
 * `berth login`: logs docker in to a registry with a browser (RFC 8628). Exit code 1, with a message, when that fails.
 * Throws ConfigError for wrong usage, or when docker's settings cannot be used.
 */
export async function login(args: readonly string[]): Promise<number> {
  const { name, ...chosen } = parse(args);
  const { url: registry, ca } = chosen;
  if (ca !== undefined) await trustAuthorities(ca);
  await requirePlace();
  try {
    const begun = await post(registry, 'auth/device', { client_name: name });
    if (begun.status === 404) {
      throw new LoginFailedError(
        `${registry.host} is not a Berth registry with accounts, so it has no login`,
      );
    }
    if (begun.error !== undefined) throw new LoginFailedError(`the registry refuses: ${sentenceOf(begun)}`);
    tellLine(
      `Open this page in a browser, and confirm if it shows the code ${textOf(begun, 'user_code')}:\n\n  ${pageOf(begun, registry)}\n`,
    );
    const { user, secret } = await waitForToken(registry, begun);
    const kept = await storeDockerLogin({ server: registry.host, user, secret }, process.env);
    await keepRegistry(chosen, process.env);
    tellLine(`Logged in to ${registry.host} as ${user}; the token is in ${kept}.`);
    return 0;
  } catch (error) {
    if (!(error instanceof LoginFailedError)) throw error;
    tellLine(`berth: ${error.message}`);
    return 1;
  }
}

/** Throws ConfigError if the login could not be stored: nobody should confirm it in vain. */
async function requirePlace(): Promise<void> {
  const folder = dirname(dockerConfigFile(process.env));
  try {
    await access(folder, constants.W_OK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return;
    throw new ConfigError(`the login cannot be stored: ${folder} cannot be written (${code})`, { cause });
  }
}

function parse(args: readonly string[]): ChosenRegistry & { readonly name: string } {
  const { values, positionals } = parseWords(args);
  const [server] = positionals;
  if (server === undefined || positionals.length !== 1)
    throw new ConfigError('write: berth login https://REGISTRY');
  const { ca = process.env.BERTH_CA || undefined, insecure, name } = values;
  return { ...checked({ server, ca, insecure }), name: name ?? `berth login on ${hostname()}` };
}

function parseWords(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: true });
  } catch (cause) {
    throw refusedOption(cause, OPTIONS);
  }
}

async function waitForToken(
  registry: URL,
  begun: JsonObject,
): Promise<{ readonly user: string; readonly secret: string }> {
  const form = { grant_type: GRANT_TYPE, device_code: textOf(begun, 'device_code') };
  const end = performance.now() + numberOf(begun, 'expires_in', 600) * 1000;
  let pause = numberOf(begun, 'interval', 5) * 1000;
  let failures = 0;
  while (performance.now() < end) {
    await sleep(pause);
    let answer: JsonObject;
    try {
      answer = await post(registry, 'auth/device/token', form);
      failures = 0;
    } catch (error) {
      failures += 1;
      if (!(error instanceof LoginFailedError) || failures > MOST_FAILURES) throw error;
      continue;
    }
    switch (answer.error) {
      case undefined:
        return { user: textOf(answer, 'username'), secret: textOf(answer, 'access_token') };
      case 'authorization_pending':
        break;
      case 'slow_down':
        pause += SLOWER;
        break;
      case 'access_denied':
        throw new LoginFailedError('the login was refused in the browser');
      case 'expired_token':
        throw new LoginFailedError('the code was not confirmed in time: run "berth login" again');
      default:
        throw new LoginFailedError(`the registry refuses: ${sentenceOf(answer)}`);
    }
  }
  throw new LoginFailedError('the code was not confirmed in time: run "berth login" again');
}

async function post(
  registry: URL,
  path: string,
  form: Readonly<Record<string, string>>,
): Promise<JsonObject> {
  let answer: Response;
  let value: unknown;
  try {
    answer = await fetch(new URL(path, registry), {
      method: 'POST',
      body: new URLSearchParams(form),
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT),
    });
    value = await readJsonAtMost(answer, LARGEST_ANSWER);
  } catch (cause) {
    const why = ((cause as Error).cause as Error | undefined)?.message ?? (cause as Error).message;
    throw new LoginFailedError(`${registry.host} does not answer as a Berth registry does: ${why}`, {
      cause,
    });
  }
  if (!isJsonObject(value))
    throw new LoginFailedError(`${registry.host} does not answer as a Berth registry does`);
  if (answer.status >= 500) throw new LoginFailedError(`${registry.host} fails: ${sentenceOf(value)}`);
  const refused = answer.ok || typeof value.error === 'string' ? {} : { error: 'refused' };
  return { ...value, ...refused, status: answer.status };
}

/** Returns the message of an answer, without terminal escapes. */
function sentenceOf(answer: JsonObject): string {
  const [first] = Array.isArray(answer.errors) ? answer.errors : [];
  const said = isJsonObject(first) ? first.message : (answer.error_description ?? answer.error);
  return String(said)
    .replace(/[^\x20-\x7e]/g, '')
    .slice(0, 300);
}

/** Returns the address of the confirmation; only ever a page of the registry itself. */
function pageOf(begun: JsonObject, registry: URL): string {
  const page = URL.parse(textOf(begun, 'verification_uri_complete'));
  if (page?.origin === registry.origin) return page.href;
  throw new LoginFailedError(
    `${registry.host} names a page of another server: log in at the registry's own address`,
  );
}

function textOf(answer: JsonObject, name: string): string {
  const value = answer[name];
  if (typeof value === 'string' && /^[\x21-\x7e]{1,1000}$/.test(value)) return value;
  throw new LoginFailedError(`the answer of the registry has no "${name}"`);
}

function numberOf(answer: JsonObject, name: string, usual: number): number {
  const value = answer[name];
  return typeof value === 'number' && value >= 0 && value <= 3600 ? value : usual;
}
