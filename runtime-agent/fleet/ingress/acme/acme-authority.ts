import { createHash, createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { makeFolder } from '../../../../lib/files/make-folder.ts';
import { writePrivateFile } from '../../../../lib/files/private-file.ts';
import type { HttpExchange } from '../../../../oci/distribution/http-exchange.ts';
import { type HostCertificate, outOfDate, readCertificate } from '../certificates.ts';
import type { CertificateAuthority, CertificateHost } from '../route-certificates.ts';
import type { AcmeClient, IssuedCertificate } from './acme-client.ts';

/** Milliseconds between checks for missing or due certificates. */
const INTERVAL = 60_000;
/** Milliseconds until a refused name is retried; doubled up to the maximum. */
const RETRY_PAUSE = 60_000;
const MAX_RETRY_PAUSE = 6 * 60 * 60_000;
/** Maximum milliseconds for one certificate. */
const ORDER_TIMEOUT = 300_000;

export interface AcmeAuthorityOptions {
  /** URL of the directory of the authority. */
  readonly directory: string;
  /** A persistent folder for the account's key and the certificates. */
  readonly folder: string;
  readonly exchange: HttpExchange;
  readonly log: Logger;
}

interface Attempt {
  readonly message: string;
  /** By performance.now(). */
  readonly notBefore: number;
  readonly pause: number;
}

/**
 * Certificates of an ACME authority: each is stored in a file, and renewed when a third of its lifetime is left, one at
 * a time. Refused names are retried after a minute, then after twice as long, up to six hours.
 */
export class AcmeAuthority implements CertificateAuthority {
  readonly #options: AcmeAuthorityOptions;
  readonly #folder: string;
  readonly #known = new Map<string, HostCertificate | undefined>();
  readonly #failures = new Map<string, Attempt>();
  readonly #answers = new Map<string, string>();
  readonly #closing = new AbortController();
  #wanted: ReadonlySet<string> = new Set();
  #host: CertificateHost | undefined;
  #client: AcmeClient | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isOrdering = false;

  constructor(options: AcmeAuthorityOptions) {
    this.#options = options;
    // Another authority has other accounts and certificates.
    const name = createHash('sha256').update(options.directory).digest('hex').slice(0, 16);
    this.#folder = join(options.folder, name);
  }

  start(host: CertificateHost): void {
    this.#host = host;
    this.#timer = setInterval(() => void this.#orderDue(), INTERVAL).unref();
  }

  async certificates(hosts: readonly string[]): Promise<readonly HostCertificate[]> {
    this.#wanted = new Set(hosts);
    for (const host of hosts) if (!this.#known.has(host)) this.#known.set(host, await this.#load(host));
    // Deferred, as the caller may hold resources that an order needs.
    setImmediate(() => void this.#orderDue());
    return hosts.flatMap((host) => this.#known.get(host) ?? []);
  }

  failure(host: string): string | undefined {
    return this.#failures.get(host)?.message;
  }

  answers(): Iterable<readonly [string, string]> {
    return this.#answers;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#closing.abort(new Error('the agent ends'));
  }

  async #orderDue(): Promise<void> {
    if (this.#isOrdering || this.#closing.signal.aborted || this.#host === undefined) return;
    this.#isOrdering = true;
    try {
      for (let host = this.#nextDue(); host !== undefined; host = this.#nextDue()) await this.#orderOne(host);
    } finally {
      this.#isOrdering = false;
    }
  }

  #nextDue(): string | undefined {
    if (this.#closing.signal.aborted) return undefined;
    return [...this.#wanted].find((host) => {
      if ((this.#failures.get(host)?.notBefore ?? 0) > performance.now()) return false;
      const known = this.#known.get(host);
      return known === undefined || isDue(known);
    });
  }

  async #orderOne(host: string): Promise<void> {
    const { log } = this.#options;
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(ORDER_TIMEOUT)]);
    try {
      this.#client ??= await this.#openClient();
      const issued = await this.#client.order(host, (path, value) => this.#answer(path, value), signal);
      const certificate = readCertificate(issued.certificate, issued.key, host);
      if (outOfDate(certificate) === undefined || this.#known.get(host) === undefined) {
        await this.#save(host, issued);
        this.#known.set(host, certificate);
        this.#host?.changed();
      }
      // Otherwise renewals would follow each other until the authority refuses all.
      if (isDue(certificate)) throw new Error(mistimed(certificate));
      this.#failures.delete(host);
      log.info({ host, expires: certificate.expires }, 'a certificate was issued');
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      const { message } = error as Error;
      const pause = Math.min(2 * (this.#failures.get(host)?.pause ?? RETRY_PAUSE / 2), MAX_RETRY_PAUSE);
      this.#failures.set(host, { message, pause, notBefore: performance.now() + pause });
      log.warn({ host, err: error }, 'no certificate was issued');
    }
  }

  async #answer(path: string, value: string | undefined): Promise<void> {
    if (value === undefined) this.#answers.delete(path);
    else this.#answers.set(path, value);
    await this.#host?.answer(path, value);
  }

  async #openClient(): Promise<AcmeClient> {
    // Few hosts need it.
    const { AcmeClient } = await import('./acme-client.ts');
    const { directory, exchange } = this.#options;
    return new AcmeClient({ directory, exchange, accountKey: await this.#accountKey() });
  }

  async #accountKey(): Promise<KeyObject> {
    makeFolder(this.#folder);
    const path = join(this.#folder, 'account.key');
    const known = await readFile(path, 'utf8').catch(unlessMissing);
    if (known !== undefined) return createPrivateKey(known);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    await writeWhole(path, String(privateKey.export({ type: 'pkcs8', format: 'pem' })));
    return privateKey;
  }

  async #save(host: string, { certificate, key }: IssuedCertificate): Promise<void> {
    await writeWhole(this.#file(host), `${key}${certificate}`);
  }

  /** Returns undefined if there is none, or it cannot be used. */
  async #load(host: string): Promise<HostCertificate | undefined> {
    const text = await readFile(this.#file(host), 'latin1').catch(unlessMissing);
    if (text === undefined) return undefined;
    try {
      return readCertificate(text, text, host);
    } catch (error) {
      this.#options.log.warn({ host, err: error }, 'a stored certificate cannot be used');
      return undefined;
    }
  }

  #file(host: string): string {
    // Names of files have at most 255 bytes.
    const name = host.length < 200 ? host : createHash('sha256').update(host).digest('hex');
    return join(this.#folder, `${name}.pem`);
  }
}

/** Reports whether only a third of its lifetime is left. */
function isDue({ issued, expires }: HostCertificate): boolean {
  return Date.now() > expires.getTime() - (expires.getTime() - issued.getTime()) / 3;
}

function mistimed({ issued, expires }: HostCertificate): string {
  const time = `${issued.toISOString()} to ${expires.toISOString()}`;
  return `the new certificate is valid from ${time}, and already due for renewal by this host's clock: check the clock`;
}

async function writeWhole(path: string, text: string): Promise<void> {
  await writePrivateFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
