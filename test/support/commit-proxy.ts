import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type CleanupScope, defer } from './cleanup.ts';

/** Where a commit stops: before the database receives it, or before the client receives the answer. */
export type CommitBoundary = 'before the commit' | 'after the commit';

/** A proxy to PostgreSQL on which a test can stop one transaction at its commit. */
export interface CommitProxy {
  /** The URL of the same database by this way. */
  through(url: string): string;
  /**
   * Stops the next transaction that has a statement that matches, and every byte of its connection after that, and
   * resolves when it has stopped there.
   */
  stopNext(statement: RegExp, boundary: CommitBoundary): Promise<void>;
  /** Breaks the connection that was stopped. */
  breakOff(): void;
  /** From now on no byte passes, either way, and no connection ends: as if the machine were gone without a word. */
  freeze(): void;
}

interface Stop {
  readonly statement: RegExp;
  readonly boundary: CommitBoundary;
  readonly reached: () => void;
}

export async function startCommitProxy(scope: CleanupScope, target: string): Promise<CommitProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let stop: Stop | undefined;
  let stopped: readonly Socket[] = [];
  let frozen = false;

  const server = createServer({ allowHalfOpen: true }, (client) => {
    const database = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    const both = [client, database];
    for (const socket of both) {
      sockets.add(socket);
      socket
        .on('error', () => undefined)
        .on('end', () => {
          if (!frozen) socket.destroy();
        })
        .on('close', () => {
          sockets.delete(socket);
          for (const other of both) other.destroy();
        });
    }
    let seen: Stop | undefined;
    let state: 'open' | 'waits for the answer' | 'stopped' = 'open';
    client.on('data', (bytes) => {
      if (frozen) return;
      const text = bytes.toString('latin1');
      if (stop?.statement.test(text)) {
        seen = stop;
        stop = undefined;
      }
      const commits = seen !== undefined && state === 'open' && /\bcommit\b/i.test(text);
      if (commits) {
        stopped = both;
        state = seen?.boundary === 'before the commit' ? 'stopped' : 'waits for the answer';
        if (state === 'stopped') seen?.reached();
      }
      if (state !== 'stopped') database.write(bytes);
    });
    database.on('data', (bytes) => {
      if (frozen) return;
      if (state === 'open') client.write(bytes);
      if (state !== 'waits for the answer') return;
      state = 'stopped';
      seen?.reached();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const own = typeof address === 'object' && address !== null ? address.port : 0;
  defer(scope, async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    through: (url) => {
      const other = new URL(url);
      other.host = `127.0.0.1:${own}`;
      return other.href;
    },
    stopNext: (statement, boundary) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      stop = { statement, boundary, reached: resolve };
      return promise;
    },
    breakOff: () => {
      for (const socket of stopped) socket.destroy();
    },
    freeze: () => {
      frozen = true;
    },
  };
}
