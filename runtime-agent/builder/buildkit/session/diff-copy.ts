import { EngineError } from '../../../errors.ts';
import { FileSync } from '../proto/filesync_pb.ts';
import { Packet_PacketType as Kind } from '../proto/wire_pb.ts';
import type { ClientSession } from './client-session.ts';
import { decodePacket, encodeRequests, FIN, type FileStat } from './packet.ts';
import { PacketStream } from './packet-stream.ts';

/** What is asked of one of the client's folders. Patterns are those of an ignore file, in their order. */
export interface FolderQuery {
  /** `context`, `dockerfile`, or the name of a further context. */
  readonly folder: string;
  /** Files and folders that are wanted, with wildcards; symbolic links among them are followed. Undefined is all. */
  readonly follow?: readonly string[];
  readonly exclude: readonly string[];
}

/** Takes what a client sends of a folder. Throws to end the transfer. */
export interface FileReceiver {
  /**
   * Whether the next of the folder's files is told of in the bytes in which it was told of before, so that nothing is wanted of it: it is
   * taken then, and `stat` is not called.
   */
  repeats?(message: Buffer): boolean;
  /** The next of the folder's files, in the order of a walk; true asks for its content. `message` is what it was decoded from. */
  stat(stat: FileStat, id: number, message: Buffer): boolean;
  data(id: number, bytes: Uint8Array): void;
  /** All of a file's content has been given. */
  end(id: number): void;
}

/**
 * Fetches from a folder of the client what a receiver wants of it (BuildKit's FileSync.DiffCopy). `progress` gets the bytes that have come.
 * Throws EngineError 'bad-request' with the client's message where it cannot read its files or has no such folder.
 */
export async function diffCopy(
  session: ClientSession,
  query: FolderQuery,
  receiver: FileReceiver,
  progress: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  if (!session.offers(FileSync, 'DiffCopy')) {
    throw new EngineError(
      'bad-request',
      'the client sends no files: it has given no folder as build context',
    );
  }
  const metadata = {
    'dir-name': [query.folder],
    followpaths: query.follow ?? [],
    'exclude-patterns': query.exclude,
  };
  const stream = new PacketStream(session.call(FileSync, 'DiffCopy', metadata, signal));
  let next = 0;
  let open = 0;
  let listed = false;
  let bytes = 0;
  const requests: number[] = [];
  const take = (message: Buffer): void => {
    if (message[0] === STAT_FIELD && receiver.repeats?.(message) === true) {
      next++;
      return;
    }
    const packet = decodePacket(message);
    switch (packet.type) {
      case Kind.PACKET_STAT: {
        if (packet.stat === undefined) {
          listed = true;
          return;
        }
        const ID = next++;
        if (!receiver.stat(packet.stat, ID, message)) return;
        open++;
        requests.push(ID);
        return;
      }
      case Kind.PACKET_DATA:
        if (packet.data.length > 0) {
          bytes += packet.data.length;
          receiver.data(packet.ID, packet.data);
        } else {
          receiver.end(packet.ID);
          open--;
        }
        return;
      case Kind.PACKET_ERR:
        throw new EngineError(
          'bad-request',
          `the client failed to send its files: ${Buffer.from(packet.data).toString('utf8', 0, MAX_MESSAGE)}`,
        );
      case Kind.PACKET_FIN:
        // The client ends the call now.
        stream.end();
    }
  };
  try {
    for await (const messages of stream.batches()) {
      for (const message of messages) take(message);
      stream.send(encodeRequests(requests.splice(0)));
      progress(bytes);
      if (!listed || open > 0) continue;
      listed = false;
      stream.send([FIN]);
    }
  } finally {
    stream.cancel();
  }
}

/** Bytes of a client's message that are shown. */
const MAX_MESSAGE = 2000;

/** The first byte of a packet that tells of a file: field 2, with its length; the type, which is 0, is left out. */
const STAT_FIELD = (2 << 3) | 2;
