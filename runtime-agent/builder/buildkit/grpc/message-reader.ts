import { Code, ConnectError } from '@connectrpc/connect';

/**
 * Length of the prefix of each message, in bytes: whether it is compressed, and its length (gRPC over HTTP/2,
 * "Length-Prefixed-Message").
 */
const PREFIX = 5;
/** Maximum bytes of one message; clients send files in pieces of 32 KiB. */
const LARGEST = 16 << 20;

/** Splits a stream of bytes into messages. Each byte is copied at most three times. */
export class MessageReader {
  /** The bytes of an incomplete message, with spare capacity. */
  #pending: Buffer = Buffer.alloc(0);
  /** Number of bytes received into #pending. */
  #length = 0;
  /** Bytes needed before parsing continues. */
  #needed = PREFIX;

  /** Returns the complete messages. They share the memory of the pushed chunks. Throws ConnectError. */
  push(chunk: Buffer): readonly Buffer[] {
    const bytes = this.#length === 0 ? chunk : this.#append(chunk);
    if (bytes.length < this.#needed && this.#length > 0) return [];
    const messages: Buffer[] = [];
    let at = 0;
    this.#needed = PREFIX;
    while (bytes.length - at >= PREFIX) {
      const length = bytes.readUInt32BE(at + 1);
      if (bytes[at] !== 0) throw new ConnectError('compressed messages are not taken', Code.Internal);
      if (length > LARGEST)
        throw new ConnectError(`a message of ${length} bytes is too long`, Code.ResourceExhausted);
      if (bytes.length - at - PREFIX < length) {
        this.#needed = PREFIX + length;
        break;
      }
      messages.push(bytes.subarray(at + PREFIX, at + PREFIX + length));
      at += PREFIX + length;
    }
    this.#pending = bytes.subarray(at);
    this.#length = this.#pending.length;
    return messages;
  }

  /** Appends a chunk and returns all unread bytes. A full buffer at least doubles, so that copying is amortized. */
  #append(chunk: Buffer): Buffer {
    const length = this.#length + chunk.length;
    if (length > this.#pending.length) {
      const grown = Buffer.allocUnsafe(Math.max(length, Math.min(this.#needed, 2 * this.#pending.length)));
      this.#pending.copy(grown, 0, 0, this.#length);
      this.#pending = grown;
    }
    chunk.copy(this.#pending, this.#length);
    this.#length = length;
    return this.#pending.subarray(0, length);
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
