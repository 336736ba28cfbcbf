import { connect, type Socket } from 'node:net';
import { type CleanupScope, defer } from './cleanup.ts';

/** A TCP connection on which the test sends exact bytes. */
export interface RawConnection {
  readonly socket: Socket;
  /** Resolves when the system has taken the bytes, also when the peer takes none. */
  write(bytes: Uint8Array | string): void;
  /** Everything received so far, as Latin-1 text. */
  received(): string;
  /** Waits until what was received matches. Rejects, with what came, when the connection ends first or after 20 s. */
  waitFor(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves when the peer has closed. Rejects after `timeoutMs`. */
  closed(timeoutMs?: number): Promise<void>;
  /** Closes at once, so that the peer sees a reset. */
  reset(): void;
}

export async function connectRaw(
  scope: CleanupScope,
  port: number,
  localAddress = '127.0.0.1',
): Promise<RawConnection> {
  const socket = connect({ host: '127.0.0.1', port, localAddress });
  defer(scope, () => {
    socket.destroy();
  });
  let received = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    received += text;
  });
  socket.on('error', () => undefined);
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));

  const wait = <Result>(look: () => Result | undefined, what: string, timeoutMs: number) =>
    new Promise<Result>((resolve, reject) => {
      const settle = (act: () => void) => {
        clearTimeout(timer);
        socket.off('data', check).off('close', check);
        act();
      };
      const timer = setTimeout(
        () => settle(() => reject(new Error(`${what}: not in time; ${received}`))),
        timeoutMs,
      );
      const check = () => {
        const found = look();
        if (found !== undefined) settle(() => resolve(found));
        else if (socket.closed) settle(() => reject(new Error(`${what}: the connection ended; ${received}`)));
      };
      socket.on('data', check).on('close', check);
      check();
    });

  return {
    socket,
    write: (bytes) => {
      socket.write(bytes);
    },
    received: () => received,
    waitFor: (pattern) => wait(() => pattern.exec(received) ?? undefined, String(pattern), 120_000),
    closed: async (timeoutMs = 120_000) => {
      await wait(() => (socket.closed ? true : undefined), 'close', timeoutMs);
    },
    reset: () => {
      socket.resetAndDestroy();
    },
  };
}
