import { setTimeout as sleep } from 'node:timers/promises';
import { IngressError } from './ingress.ts';
import type { ProxyProcess } from './proxy-process.ts';

/** Checks of a server after its connections were cut, and the milliseconds between them. */
const CUT_CHECKS = 40;
const CUT_PAUSE = 50;

/** Returns the open requests of a server in all workers. Throws IngressError if it still gets new ones. */
export async function openRequests(proxy: ProxyProcess, name: string): Promise<number> {
  const workers = await proxy.workers();
  const open = await Promise.all(
    workers.map(async (admin, index) => {
      const servers = (await admin.servers()).filter((server) => server.name === name);
      if (index === 0 && servers.some(({ state }) => state === 'ready')) {
        throw new IngressError(`${name} still is a ready backend of a route: set the routes first.`);
      }
      const loads = await admin.loads(servers.map(({ slot }) => slot));
      return loads.reduce((sum, load) => sum + (load.name === name ? load.open : 0), 0);
    }),
  );
  return open.reduce((sum, count) => sum + count, 0);
}

/** Cuts the connections of a server and returns how many there were. */
export async function cutConnections(proxy: ProxyProcess, name: string): Promise<number> {
  const open = await openRequests(proxy, name);
  for (const admin of await proxy.workers()) {
    const servers = (await admin.servers()).filter((server) => server.name === name);
    for (const { slot } of servers) await admin.cut(slot, name);
  }
  for (let check = 0; check < CUT_CHECKS; check += 1) {
    if ((await openRequests(proxy, name)) === 0) break;
    await sleep(CUT_PAUSE);
  }
  return open;
}

/** Removes servers that no route names and that have no request. */
export async function removeIdle(proxy: ProxyProcess): Promise<void> {
  if ((await proxy.pids()) === undefined) return;
  const { admin } = proxy;
  const leaving = (await admin.servers()).filter(({ state }) => state === 'leaving');
  const loads = await admin.loads([...new Set(leaving.map(({ slot }) => slot))]);
  const busy = new Set(loads.filter(({ open }) => open > 0).map(({ slot, name }) => `${slot}/${name}`));
  for (const { slot, name } of leaving) {
    // HAProxy refuses if a connection is just ending; the next call removes the server then.
    if (!busy.has(`${slot}/${name}`)) await admin.run(`del server ${slot}/${name}`);
  }
}
