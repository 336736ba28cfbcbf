import { createHash } from 'node:crypto';
import { nextLink } from '../../lib/http/next-link.ts';
import { type Digest, digestAlgorithm, isDigest } from '../digest.ts';
import { OciError } from '../errors.ts';
import { refuseTooManyValues } from '../json-size.ts';
import { MAX_MANIFEST_SIZE } from '../manifest.ts';
import { MEDIA_TYPES } from '../media-types.ts';
import { isTag } from '../tag.ts';
import { BULK_BLOCK } from './bulk-body.ts';
import { DistributionError } from './errors.ts';
import type { HttpResponse } from './http-exchange.ts';
import { readBody, streamBody } from './read-body.ts';
import { connectionFailure, type RequestSubject, readErrorBody, refusal } from './registry-error.ts';
import type { RegistrySession } from './registry-session.ts';
import { pauseBeforeRetry, retryAfter, TransientError, withRetries } from './retry.ts';

/** A manifest as the registry has it, its digest checked. */
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
}

const ACCEPTED_MANIFESTS = [
  MEDIA_TYPES.ociIndex,
  MEDIA_TYPES.ociManifest,
  MEDIA_TYPES.dockerIndex,
  MEDIA_TYPES.dockerManifest,
].join(', ');
const MANIFEST_TRIES = 4;
const TAGS_AT_ONCE = 1000;
const MAX_TAG_PAGES = 1000;
/** Bytes of all pages together. */
const MAX_TAG_BYTES = 64 << 20;
/** Failures in a row, without a byte between them. */
const BLOB_TRIES = 7;
/** Connections for one blob, however far each gets. */
const MAX_BLOB_CONNECTIONS = 200;
const MAX_ERROR_BODY = 64 << 10;

/** One repository of a registry (distribution-spec, "Pull"). Errors are DistributionErrors worded as dockerd words them. */
export class RegistryRepository {
  readonly #session: RegistrySession;
  readonly #repository: string;
  readonly #familiarName: string;

  constructor(options: RegistryRepositoryOptions) {
    this.#session = options.session;
    this.#repository = options.repository;
    this.#familiarName = options.familiarName;
  }

  /** The registry that the bytes come from. */
  get origin(): string {
    return this.#session.host;
  }

  /**
   * The manifest or index under a tag or digest. Throws DistributionError 'not-found', 'unauthorized', 'registry', and
   * 'bad-request' when it is over 4 MiB or does not have its digest.
   */
  async fetchManifest(reference: string, signal: AbortSignal): Promise<FetchedManifest> {
    return await withRetries(MANIFEST_TRIES, signal, async () => {
      const path = `manifests/${reference}`;
      const response = await this.#get(path, reference, { accept: ACCEPTED_MANIFESTS }, signal);
      const bytes = await this.#readWhole(response, MAX_MANIFEST_SIZE, signal);
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

  /** All tags, page after page (distribution-spec, "Content Discovery"). Throws DistributionError. */
  async listTags(signal: AbortSignal): Promise<readonly string[]> {
    const tags: string[] = [];
    let bytes = 0;
    let path: string | undefined = `tags/list?n=${TAGS_AT_ONCE}`;
    for (let page = 0; path !== undefined && page < MAX_TAG_PAGES; page++) {
      const asked: string = path;
      const { body, link } = await withRetries(MANIFEST_TRIES, signal, async () => {
        const response = await this.#get(asked, undefined, {}, signal);
        const bytes = await this.#readWhole(response, MAX_MANIFEST_SIZE, signal);
        return { body: bytes ?? Buffer.alloc(0), link: response.headers.link };
      });
      bytes += body.length;
      if (bytes > MAX_TAG_BYTES) {
        throw new DistributionError('registry', `${this.#familiarName} has more tags than can be listed`);
      }
      for (const tag of await readTags(body, this.#familiarName)) tags.push(tag);
      // Only what asks for the next page counts: the path is this repository's.
      const query = nextLink(`${link ?? ''}`)?.split('?')[1] ?? '';
      const last = new URLSearchParams(query).get('last');
      path = last === null ? undefined : `tags/list?n=${TAGS_AT_ONCE}&last=${encodeURIComponent(last)}`;
    }
    return tags;
  }

  /**
   * The bytes of a blob of `size` bytes as they come. A connection that is cut is made again, and the rest is asked for by Range;
   * given up after seven failures in a row. The digest is not checked. Throws DistributionError.
   */
  readBlob(
    blob: { readonly digest: Digest; readonly size: number },
    signal: AbortSignal,
  ): AsyncGenerator<Buffer> {
    return this.#readBlob(blob, signal, false);
  }

  /** As readBlob, in less time: a chunk's memory is used again when the next chunk is asked for. */
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
        if (failures === BLOB_TRIES || connections === MAX_BLOB_CONNECTIONS) throw error.failure;
        await pauseBeforeRetry(failures, error.after, signal);
      }
    }
  }

  async #openBlob(
    blob: { readonly digest: Digest },
    { offset, bulk }: { readonly offset: number; readonly bulk: boolean },
    signal: AbortSignal,
  ): Promise<AsyncIterable<Buffer>> {
    const headers = offset === 0 ? {} : { range: `bytes=${offset}-` };
    const response = await this.#get(`blobs/${blob.digest}`, undefined, headers, signal, bulk);
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

  /** An answer of status 200 or 206. Throws DistributionError, and TransientError where another try may help. */
  async #get(
    path: string,
    reference: string | undefined,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
    bulk = false,
  ): Promise<HttpResponse> {
    const target = `/v2/${this.#repository}/${path}`;
    const response = await this.#session.send({ method: 'GET', target, headers, bulk }, signal);
    if (response.status === 200 || response.status === 206) return response;
    const name = this.#familiarName;
    throw await this.#refused(
      response,
      { method: 'GET', url: response.url, name, reference: this.#named(reference) },
      signal,
    );
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
    if (reference === undefined) return this.#familiarName;
    return `${this.#familiarName}${isDigest(reference) ? '@' : ':'}${reference}`;
  }
}

async function readTags(body: Buffer, name: string): Promise<readonly string[]> {
  try {
    await refuseTooManyValues(body, 'it');
    const { tags } = JSON.parse(body.toString('utf8'));
    if (tags === null) return [];
    if (Array.isArray(tags) && tags.every((tag) => typeof tag === 'string' && isTag(tag))) return tags;
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof OciError)) throw error;
  }
  throw new DistributionError('registry', `the registry's list of the tags of ${name} cannot be read`);
}

/** The first byte of a partial answer, which is not behind `offset`. */
function rangeStart(response: HttpResponse, offset: number): number {
  const start = Number(/^bytes (\d+)-/.exec(response.headers['content-range'] ?? '')?.[1]);
  if (start <= offset) return start;
  throw new DistributionError(
    'registry',
    `${response.url.host} sent another part of a blob than it was asked for`,
  );
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
