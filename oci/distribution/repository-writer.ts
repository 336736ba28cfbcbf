import type { Digest } from '../digest.ts';
import { DistributionError, pushRefusal } from './errors.ts';
import type { HttpResponse } from './http-exchange.ts';
import { readWhole, sendExpecting } from './registry-request.ts';
import type { RegistrySession, SessionRequest } from './registry-session.ts';
import {
  INTERACTIVE_RETRIES,
  isTransientStatus,
  MAX_TRANSFER_REQUESTS,
  pauseBeforeRetry,
  TransientError,
  withRetries,
} from './retry.ts';

/** Content to push, which can be read again from any offset. */
export interface PushedBlob {
  readonly digest: Digest;
  readonly size: number;
  read(start: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

const RETRIES = INTERACTIVE_RETRIES;
/** Maximum bytes of a success's body, which is ignored. */
const MAX_BODY = 64 << 10;
/** Milliseconds for telling a registry that an upload is cancelled. */
const CANCEL_TIMEOUT = 5_000;

/** One repository of a registry (distribution-spec, "Push"). Errors are DistributionErrors worded as dockerd words them. */
export class RepositoryWriter {
  readonly #session: RegistrySession;
  readonly #repository: string;

  constructor(session: RegistrySession, repository: string) {
    this.#session = session;
    this.#repository = repository;
  }

  /**
   * Reports whether the repository has a blob; false also without the permission to know: the next request then gets an
   * explanation, which an answer to HEAD cannot carry. Throws DistributionError.
   */
  async hasBlob(digest: Digest, signal: AbortSignal): Promise<boolean> {
    return await withRetries(RETRIES, signal, async () => {
      const response = await this.#send(
        { method: 'HEAD', target: this.#path(`blobs/${digest}`) },
        signal,
        [200, 404, 401, 403],
      );
      await drain(response, signal);
      return response.status === 200;
    });
  }

  /**
   * Mounts a blob from another repository of the registry; returns false when the registry refuses or that repository
   * lacks the blob (distribution-spec, "Mounting a blob from another repository"). Throws DistributionError.
   */
  async mountBlob(digest: Digest, from: string, signal: AbortSignal): Promise<boolean> {
    return await withRetries(RETRIES, signal, async () => {
      const target = this.#path(`blobs/uploads/?${new URLSearchParams({ mount: digest, from })}`);
      const response = await this.#send({ method: 'POST', target }, signal, [201, 202]);
      await drain(response, signal);
      if (response.status === 201) return true;
      await this.#cancel(locationOf(response));
      return false;
    });
  }

  /**
   * Uploads a blob. An interrupted upload resumes after the last byte that the registry has; after seven consecutive
   * failures it is cancelled. `progress` receives the number of bytes sent so far. Throws DistributionError, and errors
   * of reading the blob.
   */
  async uploadBlob(blob: PushedBlob, progress: (sent: number) => void, signal: AbortSignal): Promise<void> {
    const upload: Upload = { location: undefined, offset: 0 };
    try {
      let failures = 0;
      for (let requests = 1; ; requests++) {
        const before = upload.offset;
        try {
          await this.#continueUpload(upload, blob, progress, signal);
          return;
        } catch (error) {
          if (!(error instanceof TransientError)) throw error;
          failures = upload.offset > before ? 1 : failures + 1;
          if (failures === RETRIES.transferTries || requests === MAX_TRANSFER_REQUESTS) throw error.failure;
          await pauseBeforeRetry(failures, error.after, RETRIES, signal);
          if (await this.#findUpload(upload, blob.digest, signal)) return;
        }
      }
    } catch (error) {
      if (upload.location !== undefined) await this.#cancel(upload.location);
      throw error;
    }
  }

  /** Pushes a manifest, whose layers and configuration exist, under a tag or its digest. Throws DistributionError. */
  async putManifest(
    reference: string,
    manifest: { readonly bytes: Uint8Array; readonly mediaType: string },
    signal: AbortSignal,
  ): Promise<void> {
    const { bytes, mediaType } = manifest;
    await withRetries(RETRIES, signal, async () => {
      const response = await this.#send(
        {
          method: 'PUT',
          target: this.#path(`manifests/${reference}`),
          headers: { 'content-type': mediaType, 'content-length': `${bytes.byteLength}` },
          body: () => bytes,
        },
        signal,
        [201],
      );
      await drain(response, signal);
    });
  }

  async #continueUpload(
    upload: Upload,
    blob: PushedBlob,
    progress: (sent: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    if (upload.location === undefined) {
      const begun = await this.#send({ method: 'POST', target: this.#path('blobs/uploads/') }, signal, [202]);
      await drain(begun, signal);
      upload.location = locationOf(begun);
      upload.offset = 0;
    }
    if (upload.offset < blob.size) {
      const { offset } = upload;
      const patched = await this.#send(
        {
          method: 'PATCH',
          target: upload.location,
          headers: {
            'content-type': 'application/octet-stream',
            'content-length': `${blob.size - offset}`,
            ...(offset > 0 && { 'content-range': `${offset}-${blob.size - 1}` }),
          },
          body: () => counted(blob.read(offset, signal), offset, progress),
        },
        signal,
        [202],
      );
      await drain(patched, signal);
      upload.location = locationOf(patched);
      upload.offset = blob.size;
    }
    const closing = new URL(upload.location);
    closing.searchParams.append('digest', blob.digest);
    const headers = { 'content-length': '0' };
    const closed = await this.#send({ method: 'PUT', target: closing, headers }, signal, [201]);
    await drain(closed, signal);
  }

  /**
   * Queries the progress of an upload after a failure; returns true when the blob exists already, because only the last
   * answer was lost.
   */
  async #findUpload(upload: Upload, digest: Digest, signal: AbortSignal): Promise<boolean> {
    const { location } = upload;
    if (location === undefined) return false;
    return await withRetries(RETRIES, signal, async () => {
      const response = await this.#send({ method: 'GET', target: location }, signal, [204, 200, 404]);
      await drain(response, signal);
      const last = Number(/^(?:bytes=)?0-(\d+)$/.exec(response.headers.range ?? '')?.[1]);
      if (response.status === 404 || Number.isNaN(last)) {
        upload.location = undefined;
        upload.offset = 0;
        return await this.hasBlob(digest, signal);
      }
      if (response.headers.location !== undefined) upload.location = locationOf(response);
      // An empty upload also answers `0-0`.
      upload.offset = last === 0 ? 0 : last + 1;
      return false;
    });
  }

  /** Best effort: registries remove stale uploads. */
  async #cancel(location: URL): Promise<void> {
    const signal = AbortSignal.timeout(CANCEL_TIMEOUT);
    try {
      const response = await this.#session.send({ method: 'DELETE', target: location }, signal);
      await drain(response, signal);
    } catch {
      // The caller already has the error that ended the upload.
    }
  }

  #path(path: string): string {
    return `/v2/${this.#repository}/${path}`;
  }

  /** Throws DistributionError, and TransientError if a retry may succeed. */
  #send(request: SessionRequest, signal: AbortSignal, statuses: readonly number[]): Promise<HttpResponse> {
    return sendExpecting(
      this.#session,
      request,
      {
        statuses,
        refusal: ({ status, url }, detail) => pushRefusal(status, detail, { method: request.method, url }),
        // After 416 both sides agree on the offset again.
        isTransient: (status) => status === 416 || isTransientStatus(status),
      },
      signal,
    );
  }
}

/** Progress of an upload, as the registry last reported it. */
interface Upload {
  location: URL | undefined;
  offset: number;
}

function locationOf(response: HttpResponse): URL {
  const location = URL.parse(response.headers.location ?? '', response.url);
  if (response.headers.location !== undefined && location !== null && /^https?:$/.test(location.protocol)) {
    return location;
  }
  throw new DistributionError('registry', `${response.url.host} names no address for an upload`);
}

async function* counted(
  content: AsyncIterable<Uint8Array>,
  offset: number,
  progress: (sent: number) => void,
): AsyncGenerator<Uint8Array> {
  let sent = offset;
  for await (const chunk of content) {
    yield chunk;
    sent += chunk.length;
    progress(sent);
  }
}

async function drain(response: HttpResponse, signal: AbortSignal): Promise<void> {
  await readWhole(response, MAX_BODY, signal);
}
