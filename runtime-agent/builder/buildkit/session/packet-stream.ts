import { once } from 'node:events';
import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { Code, ConnectError } from '@connectrpc/connect';
import { framed, MessageReader } from '../grpc/message-reader.ts';

/**
 * A call of `DiffCopy`, in both directions. A folder of thousands of files is as many messages, so they are read from
 * the stream in batches and without the client library, which costs as much as everything else together.
 */
export class PacketStream {
  readonly #stream: ClientHttp2Stream;
  readonly #reader = new MessageReader();
  readonly #status: Promise<IncomingHttpHeaders>;

  /** `stream` is the call, with its headers sent. */
  constructor(stream: ClientHttp2Stream) {
    this.#stream = stream;
    // A failure without content has its status in the headers; otherwise it follows the content.
    const headers = once(stream, 'response').then(([fields]) => fields as IncomingHttpHeaders);
    const trailers = once(stream, 'trailers').then(([fields]) => fields as IncomingHttpHeaders);
    this.#status = headers.then((fields) => (fields['grpc-status'] === undefined ? trailers : fields));
    this.#status.catch(() => undefined);
    trailers.catch(() => undefined);
  }

  /** Sends packets, encoded, in one write. */
  send(messages: readonly Uint8Array[]): void {
    if (messages.length > 0) this.#stream.write(Buffer.concat(messages.map(framed)));
  }

  /** Ends sending. */
  end(): void {
    this.#stream.end();
  }

  /** Cancels the call, unless it has ended. */
  cancel(): void {
    if (!this.#stream.destroyed) this.#stream.close(CANCEL);
  }

  /**
   * Yields batches of encoded packets, until the client ends the call. Throws ConnectError with the client's message
   * when it fails.
   */
  async *batches(): AsyncGenerator<readonly Buffer[]> {
    for await (const chunk of this.#stream) yield this.#reader.push(chunk as Buffer);
    if (this.#stream.rstCode !== 0) throw new ConnectError('the client gave the call up', Code.Canceled);
    const status = await this.#status;
    const code = Number(status['grpc-status'] ?? Code.Unknown);
    if (code !== 0) throw new ConnectError(decode(status['grpc-message']), code);
  }
}

/** RFC 9113, section 7. */
const CANCEL = 8;

function decode(message: string | string[] | undefined): string {
  const text = String(message ?? 'the client says nothing more');
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
