import { createHash } from 'node:crypto';
import { nextLink } from '../../lib/http/next-link.ts';
import { readAtMost } from '../../lib/streams/read-at-most.ts';
import { type Digest, digestAlgorithm, isDigest } from '../../oci/digest.ts';
import { isJsonObject, type JsonObject } from '../../oci/json-object.ts';
import { MAX_MANIFEST_SIZE } from '../../oci/manifest.ts';
import { MEDIA_TYPES } from '../../oci/media-types.ts';
import {
  type ImportSource,
  type SourceBlob,
  SourceContentError,
  type SourceManifest,
  SourceUnavailableError,
} from '../../storage/import/import-source.ts';
import { resumedRead } from '../../storage/import/resumed-read.ts';
import type { RegistryConnection } from './registry-connection.ts';

const PAGE = 1000;
/** Bytes of one page of a list. */
const LARGEST_PAGE = 16 << 20;
/** Bytes and pages of one list. */
const LARGEST_LIST = 64 << 20;
const MOST_PAGES = 10_000;
const MANIFEST_TYPES = [
  MEDIA_TYPES.ociIndex,
  MEDIA_TYPES.ociManifest,
  MEDIA_TYPES.dockerIndex,
  MEDIA_TYPES.dockerManifest,
].join(', ');

/** Any registry that answers the distribution API (distribution-spec, "Pull", "Content Discovery"). */
export class RegistrySource implements ImportSource {
  readonly #connection: RegistryConnection;
  readonly #mostPages: number;
  #hasReferrers = true;

  /** Lists of more than `mostPages` pages are refused. */
  constructor(connection: RegistryConnection, mostPages = MOST_PAGES) {
    this.#connection = connection;
    this.#mostPages = mostPages;
  }

  async *repositories(signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    const first = `v2/_catalog?n=${PAGE}`;
    for await (const page of this.#pages(first, 'registry:catalog:*', signal)) {
      if (page === undefined) {
        throw new SourceUnavailableError(
          `${this.#connection.host} lists no repositories: name them with --repository`,
        );
      }
      yield* stringsOf(page.repositories);
    }
  }

  async *tags(repository: string, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    const first = `v2/${repository}/tags/list?n=${PAGE}`;
    for await (const page of this.#pages(first, pullScope(repository), signal)) yield* stringsOf(page?.tags);
  }

  async resolveTag(repository: string, tag: string, signal: AbortSignal): Promise<Digest | undefined> {
    const path = `v2/${repository}/manifests/${tag}`;
    const response = await this.#send(path, repository, signal, { method: 'HEAD', accept: MANIFEST_TYPES });
    if (response.status === 404) return undefined;
    refuse(response, `the tag ${tag}`);
    const stated = response.headers.get('docker-content-digest') ?? '';
    if (isDigest(stated)) return stated;
    // A header that the specification only recommends.
    const { bytes } = await this.#readWhole(path, repository, 'sha256', signal);
    return digestOf(bytes, 'sha256');
  }

  /** The distribution API has no list of them. */
  manifests(): undefined {
    return undefined;
  }

  async readManifest(repository: string, digest: Digest, signal: AbortSignal): Promise<SourceManifest> {
    const manifest = await this.#readWhole(
      `v2/${repository}/manifests/${digest}`,
      repository,
      digest,
      signal,
    );
    const actual = digestOf(manifest.bytes, digestAlgorithm(digest));
    if (actual !== digest) {
      throw new SourceContentError(
        `the manifest ${digest} is damaged in the source: it has the digest ${actual}`,
      );
    }
    return manifest;
  }

  readBlob(repository: string, { digest, size }: SourceBlob, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return resumedRead(async (offset) => {
      if (offset === size && size > 0) return none();
      const headers = offset === 0 ? {} : { range: `bytes=${offset}-` };
      const response = await this.#send(`v2/${repository}/blobs/${digest}`, repository, signal, { headers });
      refuse(response, `the blob ${digest}`);
      if (offset > 0 && response.status !== 206) {
        await response.body?.cancel();
        throw new SourceContentError(
          `the blob ${digest} broke off and ${this.#connection.host} takes no ranges`,
        );
      }
      if (offset > 0 && startOf(response) !== offset) {
        await response.body?.cancel();
        throw new SourceContentError(
          `the blob ${digest} broke off and ${this.#connection.host} sent another part than the rest`,
        );
      }
      return response.body ?? none();
    }, signal);
  }

  async referrers(repository: string, digest: Digest, signal: AbortSignal): Promise<readonly Digest[]> {
    // Without this API clients keep the list under a tag, which is imported as one.
    if (!this.#hasReferrers) return [];
    const found: Digest[] = [];
    for await (const page of this.#pages(
      `v2/${repository}/referrers/${digest}`,
      pullScope(repository),
      signal,
    )) {
      if (page === undefined) this.#hasReferrers = false;
      for (const descriptor of Array.isArray(page?.manifests) ? page.manifests : []) {
        const { digest: referrer } = isJsonObject(descriptor) ? descriptor : { digest: '' };
        if (typeof referrer === 'string' && isDigest(referrer)) found.push(referrer);
      }
    }
    return found;
  }

  /**
   * The pages of a list, by their Link headers; one `undefined` when the registry does not have it. Throws
   * SourceContentError for a list that has no end.
   */
  async *#pages(
    first: string,
    scope: string,
    signal: AbortSignal,
  ): AsyncGenerator<JsonObject | undefined, void, undefined> {
    let bytes = 0;
    let pages = 0;
    for (let next: string | undefined = first; next !== undefined; ) {
      const path: string = next;
      const response = await this.#connection.send({ path, scope, signal });
      if (response.status === 404 || response.status === 405) {
        await response.body?.cancel();
        yield undefined;
        return;
      }
      refuse(response, `the list ${path}`);
      const body = await readAtMost(response.body ?? [], LARGEST_PAGE).catch(() => undefined);
      const page = body && parsed(body);
      if (!isJsonObject(page)) throw new SourceContentError(`the list ${path} is not JSON`);
      yield page;
      next = nextOf(response);
      bytes += body?.byteLength ?? 0;
      pages += 1;
      if (next !== undefined && (bytes > LARGEST_LIST || pages === this.#mostPages || isSame(next, path))) {
        throw new SourceContentError(`the list ${first} has no end: it goes on after ${pages} pages`);
      }
    }
  }

  async #readWhole(
    path: string,
    repository: string,
    what: string,
    signal: AbortSignal,
  ): Promise<SourceManifest & { readonly bytes: Buffer }> {
    let mediaType: string | undefined;
    const chunks: Uint8Array[] = [];
    const body = resumedRead(async () => {
      const response = await this.#send(path, repository, signal, { accept: MANIFEST_TYPES });
      refuse(response, `the manifest ${what}`);
      mediaType = response.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() || undefined;
      chunks.length = 0;
      return response.body ?? none();
    }, signal);
    let size = 0;
    for await (const chunk of body) {
      size += chunk.byteLength;
      if (size > 2 * MAX_MANIFEST_SIZE) throw new SourceContentError(`the manifest ${what} is too large`);
      chunks.push(chunk);
    }
    return { bytes: Buffer.concat(chunks), ...(mediaType !== undefined && { mediaType }) };
  }

  #send(
    path: string,
    repository: string,
    signal: AbortSignal,
    { method = 'GET', accept, headers }: RequestOptions,
  ): Promise<Response> {
    return this.#connection.send({
      method,
      path,
      scope: pullScope(repository),
      headers: { ...headers, ...(accept !== undefined && { accept }) },
      signal,
    });
  }
}

interface RequestOptions {
  readonly method?: 'GET' | 'HEAD';
  readonly accept?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function pullScope(repository: string): string {
  return `repository:${repository}:pull`;
}

/** Throws SourceContentError unless there is content in the answer. */
function refuse(response: Response, what: string): void {
  if (response.ok) return;
  response.body?.cancel().catch(() => undefined);
  const { status } = response;
  const hint = status === 401 || status === 403 ? ': it wants another login (--user, or docker login)' : '';
  const why = status === 404 ? 'is missing' : `was answered with status ${status}${hint}`;
  throw new SourceContentError(`${what} ${why}`);
}

/** RFC 8288, as distribution-spec uses it for pages. */
function nextOf(response: Response): string | undefined {
  const target = nextLink(response.headers.get('link') ?? '');
  if (target === undefined) return undefined;
  const url = URL.parse(target, response.url);
  // Where a proxy leaves out its name or scheme, the path is what counts.
  return url === null ? undefined : `${url.pathname}${url.search}`;
}

/** Reports whether two paths are one; the first path of a list has no slash at its start. */
function isSame(one: string, other: string): boolean {
  return one.replace(/^\//, '') === other.replace(/^\//, '');
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}

/** The first byte of a partial answer (RFC 9110, 14.4). */
function startOf(response: Response): number {
  return Number(/^bytes (\d{1,15})-/.exec(response.headers.get('content-range') ?? '')?.[1]);
}

function digestOf(bytes: Uint8Array, algorithm: 'sha256' | 'sha512'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}

function* stringsOf(value: unknown): Generator<string, void, undefined> {
  for (const entry of Array.isArray(value) ? value : []) if (typeof entry === 'string') yield entry;
}

async function* none(): AsyncGenerator<Uint8Array, void, undefined> {}
