import type { DriverUpload } from './blob-driver.ts';
import type { SocketReceiver } from './hashing/content-hash.ts';
import type { LocalFiles } from './local-files.ts';
import type { TakenContent } from './socket-content.ts';

/** How far an upload has come, and why no further. */
export interface ReceivedUpload {
  readonly upload: DriverUpload;
  readonly failure?: { readonly reason: unknown };
}

export interface ReceiveOptions {
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
