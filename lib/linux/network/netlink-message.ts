// netlink(7) has numbers in the machine's byte order, which is little-endian on amd64 and arm64.

const HEADER = 16;
const NESTED = 0x8000;

/** One message of an answer, without its header. */
export interface NetlinkMessage {
  readonly type: number;
  readonly body: Buffer;
}

/** Encodes an attribute with its padding: `struct rtattr` of rtnetlink(7). */
export function attribute(type: number, payload: Uint8Array): Buffer {
  const length = 4 + payload.length;
  const buffer = Buffer.alloc(align(length));
  buffer.writeUInt16LE(length, 0);
  buffer.writeUInt16LE(type, 2);
  buffer.set(payload, 4);
  return buffer;
}

/** Encodes an attribute that contains attributes. */
export function nested(type: number, ...children: readonly Uint8Array[]): Buffer {
  return attribute(type | NESTED, Buffer.concat(children));
}

export function textAttribute(type: number, text: string): Buffer {
  return attribute(type, Buffer.from(`${text}\0`, 'utf8'));
}

export function numberAttribute(type: number, value: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32LE(value >>> 0, 0);
  return attribute(type, payload);
}

/** Encodes a whole message. */
export function netlinkMessage(
  type: number,
  flags: number,
  sequence: number,
  ...parts: readonly Uint8Array[]
): Buffer {
  const body = Buffer.concat(parts);
  const header = Buffer.alloc(HEADER);
  header.writeUInt32LE(HEADER + body.length, 0);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(flags, 6);
  header.writeUInt32LE(sequence, 8);
  return Buffer.concat([header, body]);
}

/** Splits a datagram into messages. */
export function splitMessages(datagram: Buffer): readonly NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at + HEADER <= datagram.length; ) {
    const length = datagram.readUInt32LE(at);
    if (length < HEADER) break;
    messages.push({
      type: datagram.readUInt16LE(at + 4),
      body: datagram.subarray(at + HEADER, at + length),
    });
    at += align(length);
  }
  return messages;
}

/** Reads the attributes that begin at `offset` of a message's body, by type. */
export function readAttributes(body: Buffer, offset: number): ReadonlyMap<number, Buffer> {
  const attributes = new Map<number, Buffer>();
  for (let at = offset; at + 4 <= body.length; ) {
    const length = body.readUInt16LE(at);
    if (length < 4) break;
    attributes.set(body.readUInt16LE(at + 2) & ~NESTED, body.subarray(at + 4, at + length));
    at += align(length);
  }
  return attributes;
}

/** Returns the text of an attribute without its terminating zero. */
export function attributeText(payload: Buffer | undefined): string {
  return payload?.toString('utf8').split('\0', 1)[0] ?? '';
}

function align(length: number): number {
  return (length + 3) & ~3;
}
