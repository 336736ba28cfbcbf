import { EngineError } from '../../../errors.ts';
import { FileSend } from '../proto/filesync_pb.ts';
import type { ClientSession } from './client-session.ts';
import { exporterMetadata } from './metadata.ts';

/** Bytes of one message: clients take no more than 4 MiB. */
const PIECE = 1 << 20;

/**
 * Sends a stream to the client's file for output number `exporter`. `progress` gets the bytes sent. Throws the client's
 * error when it cannot write.
 */
export async function sendFile(
  session: ClientSession,
  exporter: number,
  content: AsyncIterable<Uint8Array>,
  progress: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  if (!session.offers(FileSend, 'DiffCopy')) {
    throw new EngineError('bad-request', 'the client takes no output: it has named no file or folder for it');
  }
  async function* messages() {
    let sent = 0;
    for await (const chunk of content) {
      for (let at = 0; at < chunk.length; at += PIECE) {
        const data = chunk.subarray(at, at + PIECE);
        yield { data };
        sent += data.length;
        progress(sent);
      }
    }
  }
  const answers = session
    .client(FileSend)
    .diffCopy(messages(), { headers: exporterMetadata(exporter), signal });
  // The client sends no answer, and ends when it has written everything.
  for await (const _ of answers);
}
