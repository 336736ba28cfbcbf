import { randomUUID } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Client, Code, ConnectError } from '@connectrpc/connect';
import type { Digest } from '../../../../oci/digest.ts';
import type { Descriptor } from '../../../../oci/manifest.ts';
import { EngineError } from '../../../errors.ts';
import type { ClientContent } from '../../cache/remote/remote-cache.ts';
import { Content, WriteAction, type WriteContentRequestSchema } from '../proto/content_pb.ts';
import type { ClientSession } from './client-session.ts';
import { metadataHeader } from './metadata.ts';

/** Bytes of one message; clients take up to 4 MiB. */
const CHUNK = 1 << 20;

/**
 * Opens a client's folder for `--cache-to` or `--cache-from`, by the client's path: containerd's content service on the
 * session. Throws EngineError 'bad-request' when the client offers none.
 */
export function sessionContent(session: ClientSession, path: string): ClientContent {
  if (!session.offers(Content, 'Write')) {
    throw new EngineError('bad-request', `the client does not offer its folder ${path} to the builder`);
  }
  if (!/^[\x20-\x7e]+$/.test(path)) {
    throw new EngineError(
      'bad-request',
      `the folder ${path} cannot be named to the client: a cache needs a path of ASCII characters`,
    );
  }
  return new SessionContent(session, path);
}

class SessionContent implements ClientContent {
  readonly #client: Client<typeof Content>;
  readonly #headers: Record<string, string>;
  readonly #path: string;

  constructor(session: ClientSession, path: string) {
    this.#client = session.client(Content);
    this.#headers = metadataHeader({ 'buildkit-attachable-store-id': [`local:${path}`] });
    this.#path = path;
  }

  async find(digest: Digest, signal: AbortSignal): Promise<number | undefined> {
    try {
      const { info } = await this.#client.info({ digest }, { headers: this.#headers, signal });
      return Number(info?.size ?? 0);
    } catch (error) {
      if (error instanceof ConnectError && error.code === Code.NotFound) return undefined;
      throw this.#told(error, signal);
    }
  }

  async *read(digest: Digest, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    try {
      const answers = this.#client.read({ digest }, { headers: this.#headers, signal });
      for await (const { data } of answers) yield data;
    } catch (error) {
      throw this.#told(error, signal);
    }
  }

  async write(
    blob: Pick<Descriptor, 'digest' | 'size'>,
    content: () => AsyncIterable<Uint8Array>,
    progress: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    if ((await this.find(blob.digest, signal)) !== undefined) return;
    const ref = randomUUID();
    const options = { headers: this.#headers, signal };
    let isKept = false;
    try {
      for await (const { action, offset } of this.#client.write(writes(ref, blob, content()), options)) {
        progress(Number(offset));
        isKept = action === WriteAction.COMMIT;
      }
      if (!isKept) throw new ConnectError('the client has not kept it', Code.Aborted);
    } catch (error) {
      // Another build has written it at the same time.
      if (error instanceof ConnectError && error.code === Code.AlreadyExists) return;
      await this.#client.abort({ ref }, { headers: this.#headers, timeoutMs: 1000 }).catch(() => undefined);
      throw this.#told(error, signal);
    }
  }

  #told(error: unknown, signal: AbortSignal): unknown {
    signal.throwIfAborted();
    if (!(error instanceof ConnectError)) return error;
    const code = error.code === Code.NotFound ? 'not-found' : 'bad-request';
    return new EngineError(code, `the client's folder ${this.#path}: ${error.rawMessage}`, { cause: error });
  }
}

type Write = MessageInitShape<typeof WriteContentRequestSchema>;

async function* writes(
  ref: string,
  { digest: expected, size }: Pick<Descriptor, 'digest' | 'size'>,
  content: AsyncIterable<Uint8Array>,
): AsyncGenerator<Write> {
  const total = BigInt(size);
  yield { action: WriteAction.STAT, ref, total, expected };
  let offset = 0;
  for await (const chunk of content) {
    for (let start = 0; start < chunk.length; start += CHUNK) {
      const data = chunk.subarray(start, start + CHUNK);
      yield { action: WriteAction.WRITE, ref, total, expected, offset: BigInt(offset), data };
      offset += data.length;
    }
  }
  yield { action: WriteAction.COMMIT, ref, total, expected, offset: BigInt(offset) };
}
