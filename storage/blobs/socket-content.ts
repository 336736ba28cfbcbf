import type { DriverUpload } from './blob-driver.ts';
import type { LocalFiles } from './driver-capabilities.ts';
import type { SocketReceiver } from './hashing/content-hash.ts';

/** Content from a socket that may be read from the socket's descriptor instead of being iterated. */
export interface SocketContent extends AsyncIterable<Uint8Array> {
  /** Remaining bytes that may be read from the descriptor; 0 if none. */
  readonly takeable: number;
  /** Passes the rest on: it must not be iterated then. Must be called before anything has been iterated. */
  takeOver(): TakenContent;
}

/** Content whose receiver reads it from a socket. */
export interface TakenContent {
  /** Bytes that were already read. */
  readonly begun: readonly Uint8Array[];
  /** Remaining bytes after those. */
  readonly left: number;
  /** The descriptor of the socket at this moment; undefined when it has been closed. */
  descriptor(): number | undefined;
  /** Must be called regularly while bytes move: a client that sends nothing for long is cut. */
  onProgress(): void;
  /** Must be called with the number of bytes that were read since the last call. */
  onReceived(count: number): void;
  /** Called when no more bytes will arrive: the client has disconnected. */
  onEarlyEnd(): void;
  /** Called once, after the last read. */
  release(): void;
}

export function isSocketContent(content: AsyncIterable<Uint8Array>): content is SocketContent {
  return 'takeOver' in content;
}

/** The result of a receive, and why it ended early. */
interface ReceivedUpload {
  readonly upload: DriverUpload;
  readonly failure?: { readonly reason: unknown };
}

interface ReceiveOptions {
  readonly files: LocalFiles;
  readonly receive: SocketReceiver;
  readonly segmentSize: number;
  readonly signal: AbortSignal;
  readonly checkpoint: (upload: DriverUpload) => Promise<void>;
}

/**
 * Appends the rest of taken content segment by segment, with a checkpoint after each. When the client disconnects or
 * the signal aborts, the received bytes are kept. Throws errors of the device.
 */
export async function receiveUpload(
  begun: DriverUpload,
  content: TakenContent,
  { files, receive, segmentSize, signal, checkpoint }: ReceiveOptions,
): Promise<ReceivedUpload> {
  let upload = begun;
  const end = begun.size + content.left;
  while (upload.size < end) {
    const { size } = upload;
    const length = Math.min(end - size, segmentSize);
    upload = await files.appendFile(upload, async (file, position) => {
      const socket = content.descriptor();
      if (socket === undefined) return 0;
      const transfer = { socket, file, position, length };
      const { received, deviceError } = await receive(transfer, () => content.onProgress(), signal);
      content.onReceived(received);
      if (deviceError !== undefined) throw deviceError;
      return received;
    });
    if (upload.size > size) await checkpoint(upload);
    if (upload.size - size < length) return { upload, failure: { reason: whyCutShort(content, signal) } };
  }
  return { upload };
}

function whyCutShort(content: TakenContent, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  content.onEarlyEnd();
  return new Error('the client went away before the end of its content');
}
