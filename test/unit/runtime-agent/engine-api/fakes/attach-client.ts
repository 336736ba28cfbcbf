import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A connection that asked for an attach: the answer's head, and what comes after it. */
export interface AttachClient {
  readonly head: string;
  readonly socket: Socket;
  /** Everything after the head until the agent closes its side. */
  rest(): Promise<Buffer>;
}

/** Sends what the docker CLI sends for an attach, and answers when the head has come. */
export function openAttach(socketPath: string, path: string): Promise<AttachClient> {
  return openRaw(
    socketPath,
    `POST ${path} HTTP/1.1\r\nHost: api.moby.localhost\r\nConnection: Upgrade\r\nContent-Length: 0\r\nUpgrade: tcp\r\n\r\n`,
  );
}

/** Sends the bytes of a request, and answers when the head of an answer has come. */
export async function openRaw(socketPath: string, request: string): Promise<AttachClient> {
  const socket = connect({ path: socketPath, allowHalfOpen: true });
  await once(socket, 'connect');
  socket.write(request);
  let received = Buffer.alloc(0);
  let ended = false;
  let wake = () => {};
  socket.on('data', (data: Buffer) => {
    received = Buffer.concat([received, data]);
    wake();
  });
  socket.once('end', () => {
    ended = true;
    wake();
  });
  const until = async (done: () => boolean) => {
    while (!done()) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  await until(() => ended || received.includes('\r\n\r\n'));
  const end = received.indexOf('\r\n\r\n') + 4;
  return {
    head: received.subarray(0, end).toString(),
    socket,
    rest: async () => {
      await until(() => ended);
      return received.subarray(end);
    },
  };
}

/** Takes a multiplexed stream apart: `[stream number, text]` of each frame. */
export function readFrames(bytes: Buffer): readonly (readonly [number, string])[] {
  const frames: (readonly [number, string])[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at + 4);
    frames.push([bytes.readUInt8(at), bytes.subarray(at + 8, at + 8 + length).toString()]);
    at += 8 + length;
  }
  return frames;
}
