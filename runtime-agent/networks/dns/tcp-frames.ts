/** A message with the length before it that TCP needs (RFC 1035, section 4.2.2). */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length, 0);
  return Buffer.concat([length, message]);
}

/** The messages of a connection. Throws where one has more than `most` bytes. */
export async function* readFrames(stream: AsyncIterable<Buffer>, most = 65_535): AsyncIterable<Buffer> {
  let received = Buffer.alloc(0);
  for await (const chunk of stream) {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 2) {
      const end = 2 + received.readUInt16BE(0);
      if (end - 2 > most) throw new Error(`a message has ${end - 2} bytes: ${most} are taken`);
      if (received.length < end) break;
      yield received.subarray(2, end);
      received = received.subarray(end);
    }
  }
}
