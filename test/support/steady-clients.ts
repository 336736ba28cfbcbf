import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { type CleanupScope, defer } from './cleanup.ts';

/** Clients that send requests without a pause until they are stopped, on kept connections and without retries. */
export interface SteadyClients {
  /** Requests that were answered with 200, by `x-backend`. */
  readonly answered: ReadonlyMap<string, number>;
  /** What went wrong, and how often: a status or a system error. */
  readonly failed: ReadonlyMap<string, number>;
  /** Stops them and waits for the answers that are due. */
  stop(): Promise<void>;
}

/** Half of the clients send POST, which no proxy may repeat; every fourth pauses between requests. */
export function startSteadyClients(
  scope: CleanupScope,
  url: string,
  host: string,
  clients = 16,
): SteadyClients {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const answered = new Map<string, number>();
  const failed = new Map<string, number>();
  const count = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1);
  let isOver = false;
  const send = (method: 'GET' | 'POST') =>
    new Promise<void>((resolve) => {
      const fail = (why: string) => {
        count(failed, `${method} ${why}`);
        resolve();
      };
      const sent = request(`${url}/?ms=${Math.floor(Math.random() * 8)}`, {
        method,
        agent,
        headers: { host },
      });
      sent.once('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
      sent.once('response', (response) => {
        response.resume();
        response.once('error', (error: NodeJS.ErrnoException) => fail(`body ${error.code ?? error.message}`));
        response.once('end', () => {
          if (response.statusCode !== 200) return fail(String(response.statusCode));
          count(answered, String(response.headers['x-backend']));
          resolve();
        });
      });
      sent.end(method === 'POST' ? 'a body' : undefined);
    });
  const running = Array.from({ length: clients }, async (_, index) => {
    while (!isOver) {
      await send(index % 2 === 0 ? 'GET' : 'POST');
      if (index % 4 === 3) await sleep(Math.random() * 40);
    }
  });
  const stop = async () => {
    isOver = true;
    await Promise.all(running);
    agent.destroy();
  };
  defer(scope, stop);
  return { answered, failed, stop };
}

/** A WebSocket that is open until the end of its scope. */
export interface OpenSocket {
  /** Sends a message and returns what comes back. Rejects when the connection is gone. */
  echo(text: string): Promise<string>;
  readonly isOpen: boolean;
  close(): void;
}

export async function openWebSocket(scope: CleanupScope, url: string, host: string): Promise<OpenSocket> {
  const socket = new WebSocket(url.replace('http', 'ws'), { headers: { host } });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve());
    socket.once('error', reject);
  });
  socket.on('error', () => undefined);
  defer(scope, () => socket.terminate());
  return {
    get isOpen() {
      return socket.readyState === WebSocket.OPEN;
    },
    close: () => socket.close(),
    echo: (text) =>
      new Promise((resolve, reject) => {
        const onClose = (code: number) => reject(new Error(`the WebSocket was closed: ${code}`));
        socket.once('close', onClose);
        socket.once('message', (message) => {
          socket.off('close', onClose);
          resolve(String(message));
        });
        if (socket.readyState !== WebSocket.OPEN) reject(new Error('the WebSocket is closed'));
        else socket.send(text);
      }),
  };
}
