import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { viaProxy } from '../../lib/http/proxies/via-proxy.ts';
import type { S3Settings } from '../blobs/s3/s3-settings.ts';
import type { ReadOnlyTree, TreeEntry } from './docker-registry-source.ts';
import { failureReason } from './failure-reason.ts';
import { SourceContentError, SourceUnavailableError } from './import-source.ts';

/** Maximum attempts of a request, and consecutive failures of one read without a byte in between. */
const TRIES = 6;
/** Maximum connections of one read, however much each delivers. */
const MAX_CONNECTIONS = 200;
/** Pause before the first retry of a read, in milliseconds. It doubles with each consecutive failure. */
const FIRST_PAUSE = 400;
const CONNECT_TIME = 5_000;
const SILENCE_TIME = 30_000;

/** The keys of a bucket below a prefix, read-only, with the credentials of the environment. */
export class BucketTree implements ReadOnlyTree {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;

  constructor({ bucket, prefix, region, endpoint, pathStyle, proxy }: S3Settings) {
    const regionOr = region ?? (endpoint === undefined ? undefined : 'us-east-1');
    this.#client = new S3Client({
      forcePathStyle: pathStyle,
      maxAttempts: TRIES,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: {
        connectionTimeout: CONNECT_TIME,
        socketTimeout: SILENCE_TIME,
        httpAgent: viaProxy(proxy),
        httpsAgent: viaProxy(proxy),
      },
      ...(regionOr !== undefined && { region: regionOr }),
      ...(endpoint !== undefined && { endpoint }),
    });
    this.#bucket = bucket;
    this.#prefix = prefix;
  }

  async *list(folder: string, signal: AbortSignal): AsyncGenerator<TreeEntry, void, undefined> {
    const prefix = `${this.#prefix}${folder}/`;
    for (let token: string | undefined, more = true; more; ) {
      const command = new ListObjectsV2Command({
        Bucket: this.#bucket,
        Prefix: prefix,
        Delimiter: '/',
        ...(token !== undefined && { ContinuationToken: token }),
      });
      const page = await this.#ask('list', signal, (options) => this.#client.send(command, options));
      for (const { Prefix = '' } of page.CommonPrefixes ?? []) {
        yield { name: Prefix.slice(prefix.length, -1), isFolder: true };
      }
      for (const { Key = '' } of page.Contents ?? []) {
        if (Key !== prefix) yield { name: Key.slice(prefix.length), isFolder: false };
      }
      token = page.NextContinuationToken;
      more = page.IsTruncated === true && token !== undefined;
    }
  }

  async read(file: string, limit: number, signal: AbortSignal): Promise<Buffer | undefined> {
    const chunks: Uint8Array[] = [];
    try {
      let size = 0;
      for await (const chunk of this.stream(file, signal)) {
        size += chunk.byteLength;
        if (size > limit) throw new SourceContentError(`${file} has more than ${limit} bytes`);
        chunks.push(chunk);
      }
    } catch (error) {
      if (error instanceof MissingError) return undefined;
      throw error;
    }
    return Buffer.concat(chunks);
  }

  stream(file: string, signal: AbortSignal): AsyncIterable<Uint8Array> {
    let size: number | undefined;
    return resumedRead(async (offset) => {
      if (offset > 0 && offset === size) return none();
      const command = new GetObjectCommand({
        Bucket: this.#bucket,
        Key: `${this.#prefix}${file}`,
        ...(offset > 0 && { Range: `bytes=${offset}-` }),
      });
      const answer = await this.#ask(file, signal, (options) => this.#client.send(command, options));
      size ??= answer.ContentLength;
      return answer.Body as Readable;
    }, signal);
  }

  async #ask<Answer>(
    what: string,
    signal: AbortSignal,
    send: (options: { readonly abortSignal: AbortSignal }) => Promise<Answer>,
  ): Promise<Answer> {
    signal.throwIfAborted();
    try {
      return await send({ abortSignal: signal });
    } catch (cause) {
      signal.throwIfAborted();
      const { name } = cause as Error;
      if (name === 'NoSuchKey') throw new MissingError(`${what} is missing`, { cause });
      throw new SourceUnavailableError(
        `the bucket ${this.#bucket} cannot be read: ${name}: ${failureReason(cause)}`,
        {
          cause,
        },
      );
    }
  }
}

/**
 * Yields the bytes that `open` returns from an offset on, and calls it again from the current offset when they break
 * off. Throws SourceContentError and SourceUnavailableError as `open` does, SourceUnavailableError when no attempts are
 * left, and the signal's reason.
 */
async function* resumedRead(
  open: (offset: number) => Promise<AsyncIterable<Uint8Array>>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  let offset = 0;
  for (let failures = 0, connections = 1; ; connections += 1) {
    try {
      for await (const chunk of await open(offset)) {
        offset += chunk.byteLength;
        failures = 0;
        yield chunk;
      }
      return;
    } catch (error) {
      signal.throwIfAborted();
      failures += 1;
      const isFinal = error instanceof SourceContentError || error instanceof SourceUnavailableError;
      if (isFinal) throw error;
      if (failures === TRIES || connections === MAX_CONNECTIONS) {
        const times = Math.max(failures, connections === MAX_CONNECTIONS ? connections : 0);
        throw new SourceUnavailableError(`the connection broke ${times} times: ${failureReason(error)}`, {
          cause: error,
        });
      }
      await sleep(FIRST_PAUSE * 2 ** (failures - 1) * (0.5 + Math.random() / 2), undefined, { signal });
    }
  }
}

async function* none(): AsyncGenerator<Uint8Array, void, undefined> {}

/** There is no such object. */
class MissingError extends SourceContentError {}
