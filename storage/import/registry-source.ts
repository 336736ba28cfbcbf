import type { Digest } from '../../oci/digest.ts';
import type { RegistryCredentials } from '../../oci/distribution/credentials/registry-credentials.ts';
import { DistributionError, RegistryUnavailableError } from '../../oci/distribution/errors.ts';
import type { HttpExchange } from '../../oci/distribution/http-exchange.ts';
import { listPages, PAGE_SIZE, stringsOf } from '../../oci/distribution/registry-lists.ts';
import { RegistryRepository } from '../../oci/distribution/registry-repository.ts';
import { RegistrySession } from '../../oci/distribution/registry-session.ts';
import { IMPORT_RETRIES, type RetryPolicy } from '../../oci/distribution/retry.ts';
import { failureReason } from './failure-reason.ts';
import {
  type ImportSource,
  type SourceBlob,
  SourceContentError,
  type SourceManifest,
  SourceUnavailableError,
} from './import-source.ts';

export interface RegistrySourceOptions {
  /** The URL before `v2/`; its path ends with a slash. */
  readonly url: URL;
  readonly exchange: HttpExchange;
  /** See RegistrySession. */
  readonly credentials: (signal: AbortSignal) => Promise<RegistryCredentials>;
  /** IMPORT_RETRIES by default. */
  readonly retries?: RetryPolicy;
  /** Maximum pages of a list; see PagedList. */
  readonly maxPages?: number;
}

const LOGIN_HINT = 'check --user and BERTH_IMPORT_PASSWORD, or use "docker login"';

/** A registry with the distribution API (distribution-spec, "Pull", "Content Discovery"). */
export class RegistrySource implements ImportSource {
  readonly #session: RegistrySession;
  readonly #retries: RetryPolicy;
  readonly #limits: Pick<RegistrySourceOptions, 'maxPages'>;
  /** The repository in use: an import reads one after the other. */
  #current: { readonly name: string; readonly repository: RegistryRepository } | undefined;
  #hasReferrers = true;

  constructor(options: RegistrySourceOptions) {
    const { url, exchange, credentials, retries = IMPORT_RETRIES, maxPages } = options;
    this.#session = new RegistrySession({
      exchange,
      address: {
        host: url.host,
        schemes: [url.protocol === 'http:' ? 'http' : 'https'],
        basePath: url.pathname,
        verifyCertificate: true,
      },
      credentials,
      scopes: [],
    });
    this.#retries = retries;
    this.#limits = maxPages === undefined ? {} : { maxPages };
  }

  async *repositories(signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    const name = this.#session.host;
    const session = this.#session.withScopes(['registry:catalog:*']);
    const list = { path: `/v2/_catalog?n=${PAGE_SIZE}`, what: `the repositories of ${name}`, name };
    const pages = listPages(session, { ...list, ...this.#limits }, this.#retries, signal);
    try {
      for await (const { repositories } of pages) yield* stringsOf(repositories, list.what);
    } catch (cause) {
      const error = asSourceError(cause);
      if (!isMissing(error)) throw error;
      throw new SourceUnavailableError(`${name} lists no repositories: name them with --repository`, {
        cause: error,
      });
    }
  }

  async *tags(repository: string, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    try {
      yield* translated(this.#repository(repository).tags(signal));
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  resolveTag(repository: string, tag: string, signal: AbortSignal): Promise<Digest | undefined> {
    return translate(() => this.#repository(repository).resolveTag(tag, signal));
  }

  /** Returns undefined: the distribution API has no such list. */
  manifests(): undefined {
    return undefined;
  }

  async readManifest(repository: string, digest: Digest, signal: AbortSignal): Promise<SourceManifest> {
    return await translate(async () => {
      const { bytes, mediaType } = await this.#repository(repository).fetchManifest(digest, signal);
      return { bytes, ...(mediaType !== '' && { mediaType }) };
    });
  }

  readBlob(repository: string, blob: SourceBlob, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return translated(this.#repository(repository).readBlob(blob, signal));
  }

  async referrers(repository: string, digest: Digest, signal: AbortSignal): Promise<readonly Digest[]> {
    // Without this API, clients store the list under a tag, which is imported as a tag.
    if (!this.#hasReferrers) return [];
    try {
      return await Array.fromAsync(translated(this.#repository(repository).referrers(digest, signal)));
    } catch (error) {
      if (!isMissing(error)) throw error;
      this.#hasReferrers = false;
      return [];
    }
  }

  #repository(name: string): RegistryRepository {
    if (this.#current?.name !== name) {
      const options = {
        session: this.#session.withScopes([`repository:${name}:pull`]),
        repository: name,
        familiarName: `${this.#session.host}/${name}`,
        retries: this.#retries,
        ...this.#limits,
      };
      this.#current = { name, repository: new RegistryRepository(options) };
    }
    return this.#current.repository;
  }
}

async function translate<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw asSourceError(error);
  }
}

async function* translated<Item>(items: AsyncIterable<Item>): AsyncGenerator<Item, void, undefined> {
  try {
    yield* items;
  } catch (error) {
    throw asSourceError(error);
  }
}

/** Converts an error of the client to one of an ImportSource. */
function asSourceError(error: unknown): unknown {
  if (!(error instanceof DistributionError)) return error;
  const message = error.code === 'unauthorized' ? `${error.message}: ${LOGIN_HINT}` : error.message;
  if (!(error instanceof RegistryUnavailableError)) return new SourceContentError(message, { cause: error });
  const { unreachable, cause } = error;
  // The client's own message is for users of the agent.
  const reason = unreachable && `${unreachable} cannot be reached: ${failureReason(cause)}`;
  return new SourceUnavailableError(reason ?? message, { cause: error });
}

/** Reports whether the registry lacks the requested content, or this part of the API. */
function isMissing(error: unknown): boolean {
  const { cause } = error as Error;
  return cause instanceof DistributionError && (cause.status === 404 || cause.status === 405);
}
