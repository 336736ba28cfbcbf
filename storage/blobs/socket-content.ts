import type { DriverUpload } from './blob-driver.ts';
import type { LocalFiles } from './driver-capabilities.ts';
import type { SocketReceiver } from './hashing/content-hash.ts';

/** Content that comes over a socket, and may be read from its descriptor instead of being iterated. */
export interface SocketContent extends AsyncIterable<Uint8Array> {
  /** Bytes to come that may be read so; 0 when none may. */
  readonly takeable: number;
  /** Gives the rest away: it is not to be iterated then. To be called before anything has been iterated. */
  takeOver(): TakenContent;
}

/** Content that whoever has taken it over reads from a socket. */
export interface TakenContent {
  /** What has already been read. */
  readonly begun: readonly Uint8Array[];
  /** Bytes that come after it. */
  readonly left: number;
  /** The descriptor of the socket, for this moment; undefined when it has been closed. */
  descriptor(): number | undefined;
  /** To be called every now and then while bytes move: a client that sends nothing for long is cut. */
  onProgress(): void;
  /** To be called with the number of bytes that were read since the last call. */
  onReceived(count: number): void;
  /** To be called when no more comes: the client has gone. */
  onEarlyEnd(): void;
  /** To be called once, when nothing is read any more. */
  release(): void;
}

export function isSocketContent(content: AsyncIterable<Uint8Array>): content is SocketContent {
  return 'takeOver' in content;
}

/** How far an upload has come, and why no further. */
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
 * Appends what is left of taken content, segment by segment, each of which is a checkpoint. When the client goes away
 * or the signal aborts, what has come is kept. Throws what the device fails with.
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
