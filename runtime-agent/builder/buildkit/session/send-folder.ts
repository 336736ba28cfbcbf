import { isUtf8 } from 'node:buffer';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { createAsyncQueue } from '../../../../lib/streams/async-queue.ts';
import { EngineError, isEngineError } from '../../../errors.ts';
import type { FileEntry, FileTree, TreeEntry } from '../../context/file-tree.ts';
import { joinPath, shownPath } from '../../context/tree-paths.ts';
import { FileSend } from '../proto/filesend-folder_pb.ts';
import { Packet_PacketType as Kind, type PacketSchema } from '../proto/wire_pb.ts';
import type { ClientSession } from './client-session.ts';
import { goModeOf } from './file-mode.ts';
import { exporterMetadata } from './metadata.ts';

/**
 * Sends the files of a tree into the client's folder for output number `exporter`; existing files stay. `progress` gets
 * the bytes sent. Throws the client's error when it cannot write.
 */
export async function sendFolder(
  session: ClientSession,
  exporter: number,
  tree: FileTree,
  progress: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  if (!session.offers(FileSend, 'DiffCopy')) {
    throw new EngineError('bad-request', 'the client takes no output: it has named no file or folder for it');
  }
  const files: (FileEntry | undefined)[] = [];
  const wanted = createAsyncQueue<{ readonly ID: number; readonly file: FileEntry }>();
  let sent = 0;

  async function* packets(): AsyncGenerator<MessageInitShape<typeof PacketSchema>> {
    for await (const entry of walk(tree, '')) {
      files.push(entry.kind === 'file' ? entry : undefined);
      yield { type: Kind.PACKET_STAT, stat: await statOf(tree, entry) };
    }
    yield { type: Kind.PACKET_STAT };
    for await (const { ID, file } of wanted) {
      for await (const data of tree.read(file)) {
        sent += data.length;
        progress(sent);
        yield { type: Kind.PACKET_DATA, ID, data };
      }
      yield { type: Kind.PACKET_DATA, ID };
    }
    yield { type: Kind.PACKET_FIN };
  }

  /** Each file is requested once, so the queue is at most as long as the tree. */
  function ask(ID: number): void {
    const file = files[ID];
    if (file === undefined) {
      throw new EngineError(
        'bad-request',
        `the client asked for the file ${ID}, which is none, or was sent before`,
      );
    }
    files[ID] = undefined;
    wanted.push({ ID, file });
  }

  const answers = session
    .client(FileSend)
    .diffCopy(packets(), { headers: exporterMetadata(exporter), signal });
  let failure: string | undefined;
  try {
    for await (const packet of answers) {
      if (packet.type === Kind.PACKET_REQ) ask(packet.ID);
      if (packet.type === Kind.PACKET_FIN) wanted.end();
      // The cause comes with the end of the call: this may only be the cancellation.
      if (packet.type === Kind.PACKET_ERR) failure = Buffer.from(packet.data).toString();
    }
    if (failure !== undefined) throw new Error(failure);
  } catch (error) {
    signal.throwIfAborted();
    if (isEngineError(error) || !(error instanceof Error)) throw error;
    throw new EngineError('bad-request', `the client failed to write the output: ${error.message}`, {
      cause: error,
    });
  } finally {
    wanted.end();
  }
}

/**
 * Decodes a path as UTF-8, the only encoding of BuildKit's messages. Other bytes would become another name, which may
 * be a link on the client.
 */
function utf8Of(path: string): string {
  const bytes = Buffer.from(path, 'latin1');
  if (isUtf8(bytes)) return bytes.toString('utf8');
  throw new EngineError(
    'bad-request',
    `${JSON.stringify(shownPath(path).slice(0, 500))} is not UTF-8, so it cannot be sent to a folder: use the output type=tar`,
  );
}

/** Yields every entry except the root, each folder before its content, sorted by bytes. */
async function* walk(tree: FileTree, folder: string): AsyncGenerator<TreeEntry> {
  for (const name of await tree.children(folder)) {
    const entry = await tree.entry(joinPath(folder, name));
    if (entry === undefined) continue;
    yield entry;
    if (entry.kind === 'folder') yield* walk(tree, entry.path);
  }
}

async function statOf(tree: FileTree, entry: TreeEntry) {
  const xattrs = [...(await tree.xattrs(entry.path))].map(
    ([name, value]) => [name, Buffer.from(value, 'latin1')] as const,
  );
  const isDevice = entry.kind === 'char' || entry.kind === 'block';
  return {
    path: utf8Of(entry.path),
    mode: goModeOf(entry.kind, entry.mode),
    uid: entry.uid,
    gid: entry.gid,
    size: BigInt(entry.kind === 'file' ? entry.size : 0),
    modTime: BigInt(Math.round(entry.mtime * 1e6)) * 1000n,
    linkname: entry.kind === 'symlink' ? utf8Of(entry.target) : '',
    devmajor: BigInt(isDevice ? entry.major : 0),
    devminor: BigInt(isDevice ? entry.minor : 0),
    xattrs: Object.fromEntries(xattrs),
  };
}
