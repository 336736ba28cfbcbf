import { EngineError } from '../../../errors.ts';
import { FileSync } from '../proto/filesync_pb.ts';
import { Packet_PacketType as Kind } from '../proto/wire_pb.ts';
import type { ClientSession } from './client-session.ts';
import { decodePacket, encodeRequests, FIN, type FileStat } from './packet.ts';
import { PacketStream } from './packet-stream.ts';

/** A query for a client's folder. Patterns are in the syntax of ignore files, in order. */
export interface FolderQuery {
  /** `context`, `dockerfile`, or the name of a further context. */
  readonly folder: string;
  /** Files and folders that are wanted, with wildcards; symbolic links among them are followed. Undefined is all. */
  readonly follow?: readonly string[];
  readonly exclude: readonly string[];
}

/** Receives a client's folder. Throws to end the transfer. */
export interface FileReceiver {
  /**
   * Returns whether the next file's message repeats the known bytes, so that its content is not needed: it is accepted,
   * and `stat` is not called.
   */
  repeats?(message: Buffer): boolean;
  /** Receives the next file of the walk; returns true to request its content. `message` is its encoded form. */
  stat(stat: FileStat, id: number, message: Buffer): boolean;
  data(id: number, bytes: Uint8Array): void;
  /** Called at the end of a file's content. */
  end(id: number): void;
}

/**
 * Fetches a client's folder for a receiver (BuildKit's FileSync.DiffCopy). `progress` receives the number of bytes.
 * Throws EngineError 'bad-request' with the client's message if it cannot read its files or has no such folder.
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

/** Maximum bytes of a client's message that are shown. */
const MAX_MESSAGE = 2000;

/** The first byte of a packet that describes a file: field 2, with its length; the type 0 is omitted. */
const STAT_FIELD = (2 << 3) | 2;
