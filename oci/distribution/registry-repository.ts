import { createHash } from 'node:crypto';
import { type Digest, digestAlgorithm, isDigest } from '../digest.ts';
import { isJsonObject, type JsonObject } from '../json.ts';
import { MAX_MANIFEST_SIZE } from '../manifest.ts';
import { MEDIA_TYPES } from '../media-types.ts';
import { BULK_BLOCK } from './bulk-get.ts';
import { connectionFailure, DistributionError, refusal } from './errors.ts';
import type { HttpResponse } from './http-exchange.ts';
import { streamBody } from './read-body.ts';
import { listPages, PAGE_SIZE, type PagedList, stringsOf } from './registry-lists.ts';
import { readWhole, sendExpecting } from './registry-request.ts';
import type { RegistrySession, SessionRequest } from './registry-session.ts';
import {
  INTERACTIVE_RETRIES,
  MAX_TRANSFER_REQUESTS,
  pauseBeforeRetry,
  type RetryPolicy,
  TransientError,
  withRetries,
} from './retry.ts';

/** A manifest from a registry, whose digest was verified. */
export interface FetchedManifest {
  readonly bytes: Buffer;
  /** Without parameters. */
  readonly mediaType: string;
  readonly digest: Digest;
}

export interface RegistryRepositoryOptions {
  readonly session: RegistrySession;
  readonly repository: string;
  /** `host/name`, for messages. */
  readonly familiarName: string;
  /** INTERACTIVE_RETRIES by default. */
  readonly retries?: RetryPolicy;
  /** Maximum pages of a list; see PagedList. */
  readonly maxPages?: number;
}

const ACCEPTED_MANIFESTS = [
  MEDIA_TYPES.ociIndex,
  MEDIA_TYPES.ociManifest,
  MEDIA_TYPES.dockerIndex,
  MEDIA_TYPES.dockerManifest,
].join(', ');
/** One repository of a registry (distribution-spec, "Pull"). Errors are DistributionErrors worded as dockerd words them. */
export class RegistryRepository {
  readonly #session: RegistrySession;
  readonly #repository: string;
  readonly #familiarName: string;
  readonly #retries: RetryPolicy;
  readonly #limits: Pick<PagedList, 'maxPages'>;

  constructor(options: RegistryRepositoryOptions) {
    this.#session = options.session;
    this.#repository = options.repository;
    this.#familiarName = options.familiarName;
    this.#retries = options.retries ?? INTERACTIVE_RETRIES;
    this.#limits = options.maxPages === undefined ? {} : { maxPages: options.maxPages };
  }

  /** Origin of the registry that serves the bytes. */
  get origin(): string {
    return this.#session.host;
  }

  /**
   * Fetches the manifest or index of a tag or digest. Throws DistributionError 'not-found', 'unauthorized', 'registry',
   * and 'bad-request' when it is over 4 MiB or its digest differs.
   */
  async fetchManifest(reference: string, signal: AbortSignal): Promise<FetchedManifest> {
    return await withRetries(this.#retries, signal, async () => {
      const request = this.#manifestRequest('GET', reference);
      const response = await this.#send(request, reference, signal);
      const bytes = await readWhole(response, MAX_MANIFEST_SIZE, signal);
      if (bytes === undefined) {
        throw new DistributionError(
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
        throw new DistributionError(
          'bad-request',
          `manifest verification failed for digest ${expected}: the registry sent content with ${digest}`,
        );
      }
      const mediaType = (response.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
      return { bytes, mediaType, digest };
    });
  }

  /** Returns the digest of a tag; undefined if there is no such tag. Throws as fetchManifest does. */
  async resolveTag(tag: string, signal: AbortSignal): Promise<Digest | undefined> {
    try {
      const stated = await withRetries(this.#retries, signal, async () => {
        const response = await this.#send(this.#manifestRequest('HEAD', tag), tag, signal);
        await readWhole(response, 0, signal);
        return response.headers['docker-content-digest'];
      });
      // The specification only recommends the header.
      if (typeof stated === 'string' && isDigest(stated)) return stated;
      return (await this.fetchManifest(tag, signal)).digest;
    } catch (error) {
      if (error instanceof DistributionError && error.status === 404) return undefined;
      throw error;
    }
  }

  /**
   * Yields all tags in the registry's order, unchecked (distribution-spec, "Listing Tags"). Throws DistributionError.
   */
  async *tags(signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    const path = this.#path(`tags/list?n=${PAGE_SIZE}`);
    const what = `the tags of ${this.#familiarName}`;
    for await (const { tags } of this.#pages(path, what, signal)) yield* stringsOf(tags, what);
  }

  /**
   * Yields the digests of the manifests whose subject is this digest (distribution-spec, "Listing Referrers"). Throws
   * DistributionError; its status is 404 if the registry has no referrers API.
   */
  async *referrers(digest: Digest, signal: AbortSignal): AsyncGenerator<Digest, void, undefined> {
    const what = `the referrers of ${this.#named(digest)}`;
    for await (const { manifests } of this.#pages(this.#path(`referrers/${digest}`), what, signal)) {
      for (const descriptor of Array.isArray(manifests) ? manifests : []) {
        const referrer: unknown = isJsonObject(descriptor) ? descriptor.digest : undefined;
        if (typeof referrer === 'string' && isDigest(referrer)) yield referrer;
      }
    }
  }

  /**
   * Yields the bytes of a blob of `size` bytes. When the connection breaks, it reconnects and requests the rest by Range, up to
   * `transferTries` failures in a row. The digest is not checked. Throws DistributionError.
   */
  readBlob(
    blob: { readonly digest: Digest; readonly size: number },
    signal: AbortSignal,
  ): AsyncGenerator<Buffer> {
    return this.#readBlob(blob, signal, false);
  }

  /** Like readBlob, but faster: each chunk is overwritten when the next one is requested. */
  streamBlob(
    blob: { readonly digest: Digest; readonly size: number },
    signal: AbortSignal,
  ): AsyncGenerator<Buffer> {
    return this.#readBlob(blob, signal, blob.size >= BULK_BLOCK);
  }

  async *#readBlob(
    blob: { readonly digest: Digest; readonly size: number },
    signal: AbortSignal,
    bulk: boolean,
  ): AsyncGenerator<Buffer> {
    let offset = 0;
    let failures = 0;
    for (let connections = 1; ; connections++) {
      try {
        for await (const chunk of await this.#openBlob(blob, { offset, bulk }, signal)) {
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
        const { transferTries } = this.#retries;
        if (failures === transferTries || connections === MAX_TRANSFER_REQUESTS) throw error.failure;
        await pauseBeforeRetry(failures, error.after, this.#retries, signal);
      }
    }
  }

  async #openBlob(
    blob: { readonly digest: Digest },
    { offset, bulk }: { readonly offset: number; readonly bulk: boolean },
    signal: AbortSignal,
  ): Promise<AsyncIterable<Buffer>> {
    const headers = offset === 0 ? {} : { range: `bytes=${offset}-` };
    const target = this.#path(`blobs/${blob.digest}`);
    const response = await this.#send({ method: 'GET', target, headers, bulk }, undefined, signal);
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

  #manifestRequest(method: 'GET' | 'HEAD', reference: string): SessionRequest {
    return { method, target: this.#path(`manifests/${reference}`), headers: { accept: ACCEPTED_MANIFESTS } };
  }

  /** Throws DistributionError, and TransientError if a retry may succeed. */
  #send(request: SessionRequest, reference: string | undefined, signal: AbortSignal): Promise<HttpResponse> {
    const { method } = request;
    const names = { name: this.#familiarName, reference: this.#named(reference) };
    return sendExpecting(
      this.#session,
      request,
      {
        statuses: [200, 206],
        refusal: ({ status, url }, detail) => refusal(status, detail, { method, url, ...names }),
      },
      signal,
    );
  }

  #pages(path: string, what: string, signal: AbortSignal): AsyncGenerator<JsonObject> {
    const name = this.#familiarName;
    return listPages(this.#session, { path, what, name, ...this.#limits }, this.#retries, signal);
  }

  #path(path: string): string {
    return `/v2/${this.#repository}/${path}`;
  }

  #named(reference: string | undefined): string {
    if (reference === undefined) return this.#familiarName;
    return `${this.#familiarName}${isDigest(reference) ? '@' : ':'}${reference}`;
  }
}

/**
 * Returns the offset of a partial answer's first byte. Throws DistributionError if bytes from `offset` on are missing.
 */
function rangeStart(response: HttpResponse, offset: number): number {
  const start = Number(/^bytes (\d+)-/.exec(response.headers['content-range'] ?? '')?.[1]);
  if (start <= offset) return start;
  throw new DistributionError('registry', `${response.url.host} answered a range request with another range`);
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

function tooLong(blob: { readonly digest: Digest; readonly size: number }): DistributionError {
  return new DistributionError(
    'bad-request',
    `blob ${blob.digest} is longer than the ${blob.size} bytes of its manifest`,
  );
}

function cutOff(blob: { readonly digest: Digest; readonly size: number }, offset: number): DistributionError {
  return new DistributionError(
    'registry',
    `blob ${blob.digest} ended after ${offset} of ${blob.size} bytes: unexpected EOF`,
  );
}
