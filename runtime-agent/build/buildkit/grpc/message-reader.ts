import { Code, ConnectError } from '@connectrpc/connect';

/** Bytes before each message: whether it is compressed, and its length (gRPC over HTTP/2, "Length-Prefixed-Message"). */
const PREFIX = 5;
/** Bytes of one message; clients send files in pieces of 32 KiB. */
const LARGEST = 16 << 20;

/** Takes messages out of the bytes of a stream, which come in any pieces. */
export class MessageReader {
  #pending: Buffer = Buffer.alloc(0);

  /** The messages that are whole now. They share the memory of what was pushed. Throws ConnectError. */
  push(chunk: Buffer): readonly Buffer[] {
    const bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const messages: Buffer[] = [];
    let at = 0;
    while (bytes.length - at >= PREFIX) {
      const length = bytes.readUInt32BE(at + 1);
      if (bytes[at] !== 0) throw new ConnectError('compressed messages are not taken', Code.Internal);
      if (length > LARGEST)
        throw new ConnectError(`a message of ${length} bytes is too long`, Code.ResourceExhausted);
      if (bytes.length - at - PREFIX < length) break;
      messages.push(bytes.subarray(at + PREFIX, at + PREFIX + length));
      at += PREFIX + length;
    }
    this.#pending = bytes.subarray(at);
    return messages;
  }
}

/** A message with its prefix. */
export function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(PREFIX + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, PREFIX);
  return frame;
}
