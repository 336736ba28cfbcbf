import { createHash } from 'node:crypto';
import { type Digest, digestAlgorithm, isDigest } from '../../storage/oci/digest.ts';
import { MAX_MANIFEST_SIZE } from '../../storage/oci/manifest.ts';
import { MEDIA_TYPES } from '../../storage/oci/media-types.ts';
import { EngineError } from '../errors.ts';
import type { RegistryCredentials } from '../images/images.ts';
import { type Authorization, authorize } from './authorize.ts';
import { parseChallenges } from './challenge.ts';
import type { HttpExchange, HttpResponse } from './http-exchange.ts';
import { readBody, streamBody } from './read-body.ts';
import type { RegistryAddress } from './registry-address.ts';
import { connectionFailure, type RequestSubject, readErrorBody, refusal } from './registry-error.ts';
import { pauseBeforeRetry, retryAfter, TransientError, withRetries } from './retry.ts';

/** A manifest as the registry has it, its digest checked. */
export interface FetchedManifest {
  readonly bytes: Buffer;
  /** Without parameters. */
  readonly mediaType: string;
  readonly digest: Digest;
}

export interface RegistryRepositoryOptions {
  readonly exchange: HttpExchange;
  readonly address: RegistryAddress;
  readonly repository: string;
  /** `host/name`, for messages. */
  readonly familiarName: string;
  readonly credentials: RegistryCredentials;
}

const ACCEPTED_MANIFESTS = [
  MEDIA_TYPES.ociIndex,
  MEDIA_TYPES.ociManifest,
  MEDIA_TYPES.dockerIndex,
  MEDIA_TYPES.dockerManifest,
].join(', ');
const MANIFEST_TRIES = 4;
/** Failures in a row, without a byte between them. */
const BLOB_TRIES = 7;
/** Connections for one blob, however far each gets. */
const MAX_BLOB_CONNECTIONS = 200;
const MAX_ERROR_BODY = 64 << 10;

/** One repository of a registry (distribution-spec, "Pull"). Errors are EngineErrors worded as dockerd words them. */
export class RegistryRepository {
  readonly #options: RegistryRepositoryOptions;
  #base: URL | undefined;
  #authorization: Authorization | undefined;

  constructor(options: RegistryRepositoryOptions) {
    this.#options = options;
  }

  /**
   * The manifest or index under a tag or digest. Throws EngineError 'not-found', 'unauthorized', 'registry', and
   * 'bad-request' when it is over 4 MiB or does not have its digest.
   */
  async fetchManifest(reference: string, signal: AbortSignal): Promise<FetchedManifest> {
    return await withRetries(MANIFEST_TRIES, signal, async () => {
      const path = `manifests/${reference}`;
      const response = await this.#get(path, reference, { accept: ACCEPTED_MANIFESTS }, signal);
      const bytes = await this.#readWhole(response, MAX_MANIFEST_SIZE, signal);
      if (bytes === undefined) {
        throw new EngineError(
          'bad-request',
          `manifest for ${this.#named(reference)} is larger than ${MAX_MANIFEST_SIZE} bytes`,
        );
      }
      const stated = response.headers['docker-content-digest'];
      const expected = [reference, stated].find((text) => typeof text === 'string' && isDigest(text)) as
        | Digest
        | undefined;
      const algorithm = expected === undefined ? 'sha256' : digestAlgorithm(expected);
      const digest: Digest = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
      if (expected !== undefined && digest !== expected) {
        throw new EngineError(
          'bad-request',
          `manifest verification failed for digest ${expected}: the registry sent content with ${digest}`,
        );
      }
      const mediaType = (response.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
      return { bytes, mediaType, digest };
    });
  }

  /**
   * The bytes of a blob of `size` bytes as they come. A connection that is cut is made again, and the rest is asked for by Range;
   * given up after seven failures in a row. The digest is not checked. Throws EngineError.
   */
  async *readBlob(
    blob: { readonly digest: Digest; readonly size: number },
    signal: AbortSignal,
  ): AsyncGenerator<Buffer> {
    let offset = 0;
    let failures = 0;
    for (let connections = 1; ; connections++) {
      try {
        for await (const chunk of await this.#openBlob(blob, offset, signal)) {
          offset += chunk.length;
          if (offset > blob.size) throw tooLong(blob);
          failures = 0;
          yield chunk;
        }
        if (offset === blob.size) return;
        throw new TransientError(cutOff(blob, offset));
      } catch (error) {
        if (!(error instanceof TransientError)) throw error;
        failures++;
        if (failures === BLOB_TRIES || connections === MAX_BLOB_CONNECTIONS) throw error.failure;
        await pauseBeforeRetry(failures, error.after, signal);
      }
    }
  }

  async #openBlob(
    blob: { readonly digest: Digest },
    offset: number,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Buffer>> {
    const headers = offset === 0 ? {} : { range: `bytes=${offset}-` };
    const response = await this.#get(`blobs/${blob.digest}`, undefined, headers, signal);
    const url = response.url;
    const skip = offset - (response.status === 206 ? rangeStart(response, offset) : 0);
    return dropFirst(skip, this.#transientStream(response, url, signal));
  }

  async *#transientStream(response: HttpResponse, url: URL, signal: AbortSignal): AsyncGenerator<Buffer> {
    const chunks = streamBody(response, signal);
    try {
      for (;;) {
        let step: IteratorResult<Buffer>;
        try {
          step = await chunks.next();
        } catch (error) {
          if (signal.aborted) throw error;
          throw new TransientError(connectionFailure(error, { method: 'GET', url }));
        }
        if (step.done === true) return;
        yield step.value;
      }
    } finally {
      await chunks.return(undefined);
    }
  }

  async #readWhole(response: HttpResponse, limit: number, signal: AbortSignal): Promise<Buffer | undefined> {
    try {
      return await readBody(response, limit, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      throw new TransientError(connectionFailure(error, { method: 'GET', url: response.url }));
    }
  }

  /** An answer of status 200 or 206. Throws EngineError, and TransientError where another try may help. */
  async #get(
    path: string,
    reference: string | undefined,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const url = new URL(`/v2/${this.#options.repository}/${path}`, await this.#findBase(signal));
    const subject = {
      method: 'GET',
      url,
      name: this.#options.familiarName,
      reference: this.#named(reference),
    };
    let response = await this.#send(url, headers, signal);
    if (response.status === 401) {
      this.#authorization = undefined;
      await this.#authorize(response, signal);
      response = await this.#send(url, headers, signal);
    }
    if (response.status === 200 || response.status === 206) return response;
    throw await this.#refused(response, subject, signal);
  }

  async #send(
    url: URL,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const { exchange, address } = this.#options;
    const authorization = await this.#currentAuthorization(signal);
    try {
      return await exchange.send({
        method: 'GET',
        url,
        headers: { ...headers, ...(authorization && { authorization }) },
        verifyCertificate: address.verifyCertificate,
        signal,
      });
    } catch (error) {
      if (signal.aborted) throw error;
      throw new TransientError(connectionFailure(error, { method: 'GET', url }));
    }
  }

  async #currentAuthorization(signal: AbortSignal): Promise<string | undefined> {
    if (this.#authorization !== undefined && this.#authorization.expiresAt <= Date.now()) {
      // A new challenge brings the next one.
      this.#authorization = undefined;
      await this.#ping(await this.#findBase(signal), signal);
    }
    return this.#authorization?.header;
  }

  async #authorize(response: HttpResponse, signal: AbortSignal): Promise<void> {
    const { exchange, credentials, repository, address } = this.#options;
    response.body.destroy();
    this.#authorization = await authorize(exchange, {
      challenges: parseChallenges(response.headers['www-authenticate'] ?? ''),
      credentials,
      scope: `repository:${repository}:pull`,
      url: response.url,
      method: 'GET',
      verifyCertificate: address.verifyCertificate,
      signal,
    });
  }

  /** Finds the scheme that the registry speaks, by `GET /v2/`, and answers its challenge. */
  async #findBase(signal: AbortSignal): Promise<URL> {
    if (this.#base !== undefined) return this.#base;
    const { address } = this.#options;
    const [first, ...others] = address.schemes.map((scheme) => new URL(`${scheme}://${address.host}/`));
    let base = first as URL;
    try {
      await this.#ping(base, signal);
    } catch (error) {
      const next = others[0];
      if (!(error instanceof TransientError) || next === undefined || !mayBePlain(error)) {
        throw error instanceof TransientError ? error.failure : error;
      }
      base = next;
      await this.#ping(base, signal).catch((failure: unknown) => {
        throw failure instanceof TransientError ? failure.failure : failure;
      });
    }
    this.#base = base;
    return base;
  }

  async #ping(base: URL, signal: AbortSignal): Promise<void> {
    const { exchange, address, credentials } = this.#options;
    const url = new URL('/v2/', base);
    let response: HttpResponse;
    try {
      response = await exchange.send({
        method: 'GET',
        url,
        verifyCertificate: address.verifyCertificate,
        signal,
      });
    } catch (error) {
      if (signal.aborted) throw error;
      throw new TransientError(connectionFailure(error, { method: 'GET', url }));
    }
    const challenges = parseChallenges(response.headers['www-authenticate'] ?? '');
    const canAnswer = credentials.username || challenges.some(({ scheme }) => scheme === 'bearer');
    // Without credentials a repository may still be open to all: it is for its own answer to say.
    if (response.status === 401 && canAnswer) await this.#authorize(response, signal);
    else await readBody(response, MAX_ERROR_BODY, signal).catch(() => undefined);
  }

  async #refused(response: HttpResponse, subject: RequestSubject, signal: AbortSignal): Promise<Error> {
    const body = await this.#readWhole(response, MAX_ERROR_BODY, signal);
    const error = refusal(
      response.status,
      readErrorBody(response.status, body?.toString('utf8') ?? ''),
      subject,
    );
    const transient = response.status >= 500 || response.status === 429 || response.status === 408;
    if (!transient) return error;
    return new TransientError(error, retryAfter(response.headers['retry-after'], Date.now()));
  }

  #named(reference: string | undefined): string {
    const { familiarName } = this.#options;
    if (reference === undefined) return familiarName;
    return `${familiarName}${isDigest(reference) ? '@' : ':'}${reference}`;
  }
}

/** Whether what failed as TLS may work without; nobody listens for a refused connection. */
function mayBePlain(error: TransientError): boolean {
  const cause = error.failure.cause as NodeJS.ErrnoException | undefined;
  return !['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EHOSTUNREACH'].includes(cause?.code ?? '');
}

/** The first byte of a partial answer, which is not behind `offset`. */
function rangeStart(response: HttpResponse, offset: number): number {
  const start = Number(/^bytes (\d+)-/.exec(response.headers['content-range'] ?? '')?.[1]);
  if (start <= offset) return start;
  throw new EngineError('registry', `${response.url.host} sent another part of a blob than it was asked for`);
}

async function* dropFirst(count: number, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let left = count;
  for await (const chunk of chunks) {
    if (left >= chunk.length) left -= chunk.length;
    else {
      yield left === 0 ? chunk : chunk.subarray(left);
      left = 0;
    }
  }
}

function tooLong(blob: { readonly digest: Digest; readonly size: number }): EngineError {
  return new EngineError(
    'bad-request',
    `blob ${blob.digest} is longer than the ${blob.size} bytes of its manifest`,
  );
}

function cutOff(blob: { readonly digest: Digest; readonly size: number }, offset: number): EngineError {
  return new EngineError(
    'registry',
    `blob ${blob.digest} ended after ${offset} of ${blob.size} bytes: unexpected EOF`,
  );
}
