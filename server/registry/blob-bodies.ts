import type { ByteRange, StoredBlob } from '../../storage/blobs/blob-driver.ts';
import type { BlobStore } from '../../storage/blobs/blob-store.ts';
import type { BlobConnection } from '../../storage/blobs/driver-capabilities.ts';
import { type BodySender, sendContent } from '../http/body-sender.ts';
import type { RequestContext } from '../request-context.ts';

/** An available body: its existence was checked before the first byte of the head. */
export interface BlobBody {
  /** Sends the head, with its current headers, and the body. Must be called once, immediately. */
  send(): Promise<void>;
}

/** Minimum bytes for a dedicated connection; an existing connection delivers smaller ones sooner. */
const LEAST_CONNECTED = 1024 * 1024;
/** Maximum reconnects per body; after that it is read and written. */
const MOST_CONNECTIONS = 5;

/**
 * Bodies of answers that are blobs: bypassing this process if there is a file, or a dedicated connection, and a plain
 * socket; otherwise read and written.
 */
export class BlobBodies {
  readonly #blobs: BlobStore;
  readonly #sender: BodySender;

  constructor(blobs: BlobStore, sender: BodySender) {
    this.#blobs = blobs;
    this.#sender = sender;
  }

  /** Opens the blob, or the part in `range`, which is within it. Throws BlobUnknownError. */
  async open(ctx: RequestContext, blob: StoredBlob, range: ByteRange | undefined): Promise<BlobBody> {
    const { signal } = ctx.state;
    const [start, end] = range === undefined ? [0, blob.size] : [range.start, range.end + 1];
    signal.throwIfAborted();
    if (this.#sender.canSend(ctx.res, end - start)) {
      const file = await this.#blobs.openFile(blob);
      if (file !== undefined) {
        const send = async () => {
          try {
            ctx.respond = false;
            ctx.state.sentPastNode = await this.#sender.send(ctx.res, { fd: file.fd, start, end }, signal);
          } finally {
            await file.close();
          }
        };
        return { send };
      }
      const connection =
        end - start < LEAST_CONNECTED
          ? undefined
          : await this.#blobs.connect(blob, { start, end: end - 1 }, signal);
      if (connection !== undefined) return { send: () => this.#relay(ctx, blob, { start, end }, connection) };
    }
    const content = await this.#blobs.read(blob, range, signal);
    return { send: () => sendContent(ctx, content, signal) };
  }

  /** Reconnects when a connection breaks after it has delivered something; otherwise reads the rest. */
  async #relay(
    ctx: RequestContext,
    blob: StoredBlob,
    { start, end }: { readonly start: number; readonly end: number },
    first: BlobConnection,
  ): Promise<void> {
    const { signal } = ctx.state;
    ctx.respond = false;
    let position = start;
    let connection: BlobConnection | undefined = first;
    for (let count = 1; connection !== undefined; count += 1) {
      const { socket, begun, close }: BlobConnection = connection;
      let sent = 0;
      try {
        const part = { connection: socket, begun, length: end - position };
        sent = await this.#sender.relay(ctx.res, part, signal);
      } finally {
        close();
      }
      position += sent;
      ctx.state.sentPastNode += sent - begun.byteLength;
      if (position === end) {
        ctx.res.end();
        return;
      }
      const another = sent > 0 && count < MOST_CONNECTIONS;
      connection = another
        ? await this.#blobs.connect(blob, { start: position, end: end - 1 }, signal)
        : undefined;
    }
    await sendContent(ctx, await this.#blobs.read(blob, { start: position, end: end - 1 }, signal), signal);
  }
}
