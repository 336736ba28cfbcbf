import { EngineError } from '../../../errors.ts';
import { Upload } from '../proto/upload_pb.ts';
import type { ClientSession } from './client-session.ts';
import { metadataHeader } from './metadata.ts';

/** Streams the client's standard input, from the path that it named (BuildKit's Upload.Pull). It can be read once. */
export async function* uploadStream(
  session: ClientSession,
  path: string,
  progress: (bytes: number) => void,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (!session.offers(Upload, 'Pull')) {
    throw new EngineError('bad-request', 'the client sends no context, though it named one of its own');
  }
  const headers = metadataHeader({ urlpath: [path], urlhost: ['buildkit-session'] });
  let bytes = 0;
  for await (const { data } of session.client(Upload).pull(nothing(), { headers, signal })) {
    bytes += data.length;
    progress(bytes);
    yield data;
  }
}

async function* nothing(): AsyncGenerator<never> {}
