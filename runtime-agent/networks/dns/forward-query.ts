import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { DNS_CODE, emptyAnswer } from './dns-message.ts';

/** Timeout of one server, milliseconds. */
const PATIENCE = 4_000;
const PORT = 53;

/**
 * Queries the servers one after the other until one answers, over the client's protocol, from the host's network. A
 * SERVFAIL is returned only if every server fails.
 */
export async function forwardQuery(
  query: Buffer,
  servers: readonly string[],
  protocol: 'udp' | 'tcp',
  signal: AbortSignal,
): Promise<Buffer> {
  let worst = emptyAnswer(query, DNS_CODE.serverFailure);
  for (const server of servers) {
    const ask = protocol === 'udp' ? askByUdp : askByTcp;
    const reply = await ask(query, server, AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)])).catch(
      () => undefined,
    );
    if (signal.aborted) break;
    if (reply === undefined || reply.length < 4) continue;
    const code = reply.readUInt16BE(2) & 0xf;
    if (code !== DNS_CODE.serverFailure && code !== DNS_CODE.refused) return reply;
    worst = reply;
  }
  return worst;
}

function askByUdp(query: Buffer, server: string, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(server.includes(':') ? 'udp6' : 'udp4');
    const end = (settle: () => void) => {
      signal.removeEventListener('abort', abort);
      socket.removeAllListeners();
      socket.on('error', () => undefined);
      socket.close();
      settle();
    };
    const abort = () => end(() => reject(signal.reason));
    signal.addEventListener('abort', abort, { once: true });
    socket.on('error', (error) => end(() => reject(error)));
    // A connected socket accepts answers of that server only, and reports a closed port.
    socket.connect(PORT, server, () => socket.send(query));
    socket.on('message', (reply) => {
      if (reply.length >= 2 && reply.readUInt16BE(0) === query.readUInt16BE(0)) end(() => resolve(reply));
    });
  });
}

async function askByTcp(query: Buffer, server: string, signal: AbortSignal): Promise<Buffer> {
  const socket = connect({ host: server, port: PORT, signal });
  try {
    socket.write(framed(query));
    for await (const reply of readFrames(socket)) return reply;
    throw new Error(`${server} ended without an answer`);
  } finally {
    socket.destroy();
  }
}

/** Prefixes a message with its length for TCP (RFC 1035, section 4.2.2). */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length, 0);
  return Buffer.concat([length, message]);
}

/** Yields the messages of a connection. Throws if one has more than `most` bytes. */
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
