import { createServer, type ListenOptions, type Server } from 'node:net';

/** Below what the system gives out itself (ip_local_port_range), and where Ceph's programs choose theirs. */
const FIRST = 10_000;
const COUNT = 10_000;

/**
 * Returns a free port of 127.0.0.1, for a program that cannot choose one itself or that needs the same one after a restart.
 * Neither the system nor another test of this network gets it before this process ends.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    // The kernel holds such a name for one at a time in a network namespace, and lets go of it when its holder ends.
    const held = await tryToListen({ path: `\0berth-test-port-${port}` });
    if (held === undefined) continue;
    const probe = await tryToListen({ host: '127.0.0.1', port });
    if (probe === undefined) {
      held.close();
      continue;
    }
    await new Promise((resolve) => probe.close(resolve));
    held.unref();
    return port;
  }
}

function tryToListen(where: ListenOptions): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(where, () => resolve(server));
  });
}
