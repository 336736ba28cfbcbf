import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConnectError } from '@connectrpc/connect';
import { SSH } from '../proto/ssh_pb.ts';
import type { ClientSession } from './client-session.ts';
import { metadataHeader } from './metadata.ts';

/** A unix socket on this host that forwards to the client's SSH agent. */
export interface ForwardedSocket {
  readonly path: string;
  /** Cuts its connections and removes it. */
  release(): Promise<void>;
}

/** Maximum concurrent connections of a step to the agent. */
const MOST_CONNECTIONS = 64;

/** Returns undefined if the client has no agent of this name (`--ssh id`; `default` if none is given). */
export async function forwardSsh(
  session: ClientSession,
  id: string,
  signal: AbortSignal,
): Promise<ForwardedSocket | undefined> {
  try {
    await session.client(SSH).checkAgent({ ID: id }, { signal });
  } catch (error) {
    if (error instanceof ConnectError && !signal.aborted) return undefined;
    throw error;
  }
  const directory = await mkdtemp(join(tmpdir(), 'berth-ssh-'));
  const path = join(directory, 'agent.sock');
  const connections = new Set<Socket>();
  const server = createServer((connection) => {
    connections.add(connection);
    connection.once('close', () => connections.delete(connection));
    connection.on('error', () => connection.destroy());
    void relay(session, id, connection, signal);
  });
  server.maxConnections = MOST_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return {
    path,
    async release() {
      for (const connection of connections) connection.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function relay(
  session: ClientSession,
  id: string,
  connection: Socket,
  signal: AbortSignal,
): Promise<void> {
  const headers = metadataHeader({ 'buildkit.ssh.id': [id] });
  try {
    const answers = session.client(SSH).forwardAgent(messagesOf(connection), { headers, signal });
    for await (const { data } of answers) {
      if (!connection.write(data)) await drained(connection);
    }
    connection.end();
  } catch {
    // The program in the step sees that its agent is gone.
    connection.destroy();
  }
}

async function* messagesOf(connection: Socket): AsyncGenerator<{ data: Uint8Array }> {
  for await (const data of connection) yield { data: data as Buffer };
}

function drained(connection: Socket): Promise<void> {
  return new Promise((resolve) => {
    connection.once('drain', resolve);
    connection.once('close', resolve);
  });
}
