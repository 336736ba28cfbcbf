import type { ByteRange, StoredBlob } from '../../storage/blobs/blob-driver.ts';
import type { BlobStore } from '../../storage/blobs/blob-store.ts';
import { sendContent } from '../http/send-content.ts';
import type { RequestContext } from '../request-context.ts';
import type { FileSender } from '../sendfile/file-sender.ts';

/** A body that is at hand: whether it is there has been found out before the first byte of the head. */
export interface BlobBody {
  /** Sends the head, as it has been set, and the body. To be called once, and at once. */
  send(): Promise<void>;
}

/** Bodies of answers that are blobs: by sendfile(2) where there is a file and a plain socket, otherwise read and written. */
export class BlobBodies {
  readonly #blobs: BlobStore;
  readonly #files: FileSender;

  constructor(blobs: BlobStore, files: FileSender) {
    this.#blobs = blobs;
    this.#files = files;
  }

  /** The blob, or the part in `range`, which lies within it. Throws BlobUnknownError. */
  async open(ctx: RequestContext, blob: StoredBlob, range: ByteRange | undefined): Promise<BlobBody> {
    const { signal } = ctx.state;
    const [start, end] = range === undefined ? [0, blob.size] : [range.start, range.end + 1];
    signal.throwIfAborted();
    const file = this.#files.canSend(ctx.res, end - start) ? await this.#blobs.openFile(blob) : undefined;
    if (file === undefined) {
      const content = await this.#blobs.read(blob, range, signal);
      return { send: () => sendContent(ctx, content, signal) };
    }
    const send = async () => {
      try {
        ctx.respond = false;
        ctx.state.sentPastNode = await this.#files.send(ctx.res, { fd: file.fd, start, end }, signal);
      } finally {
        await file.close();
      }
    };
    return { send };
  }
}
