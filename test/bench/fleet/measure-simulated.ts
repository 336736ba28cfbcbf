import { setTimeout as sleep } from 'node:timers/promises';
import type { CleanupScope } from '../../support/cleanup.ts';
import { FACTS, type HostSocket, type JoinedHost, joinHost, postJson } from '../../support/joined-host.ts';
import { startRegistry } from '../../support/registry-process.ts';
import { residentBytes } from '../resident-bytes.ts';
import { ADMIN, PASSWORD } from './bench-fleet.ts';
import type { FleetFigure } from './figures.ts';

const AT_ONCE = 20;
/** Milliseconds over which hosts spread their next attempt to connect, as agents do. */
const JITTER = 10_000;
/** Seconds for which they are idle. */
const IDLE = 60;

/** Hosts that are connected and idle: memory and processor time of the registry, and how soon all are back after a restart. */
export async function measureSimulated(
  scope: CleanupScope,
  signal: AbortSignal,
  { hosts: count }: { readonly hosts: number },
): Promise<readonly FleetFigure[]> {
  const registry = await startRegistry(scope, { adminPassword: PASSWORD, env: { BERTH_LOG_LEVEL: 'warn' } });
  const megabytes = async () => Math.round((await residentBytes(registry.process().pid)) / 1e6);
  const hosts: JoinedHost[] = [];
  const sockets = new Map<string, HostSocket>();
  const connect = async (host: JoinedHost) => {
    signal.throwIfAborted();
    const socket = await host.connect();
    socket.send({ type: 'hello', facts: FACTS, generation: 0 });
    await socket.message('target');
    sockets.set(host.id, socket);
  };
  let next = 0;
  const joinSome = async () => {
    while (next < count) {
      next += 1;
      const name = `host${next}`;
      const answer = await postJson(`${registry.url}/api/v1/host-tokens`, {}, { Authorization: ADMIN });
      const { token } = (await answer.json()) as { token: string };
      const host = await joinHost(scope, registry.url, token, name);
      hosts.push(host);
      await connect(host);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, joinSome));
  console.error(`${sockets.size} hosts are connected`);

  const before = await registry.process().cpuSeconds();
  await sleep(IDLE * 1000, undefined, { signal });
  const share = (((await registry.process().cpuSeconds()) - before) / IDLE) * 100;
  const idle = await megabytes();

  await registry.stop();
  for (const socket of sockets.values()) await socket.ended();
  sockets.clear();
  await registry.restart();
  const restarted = performance.now();
  await Promise.all(
    hosts.map(async (host) => {
      await sleep(Math.random() * JITTER, undefined, { signal });
      await connect(host);
    }),
  );
  const back = (performance.now() - restarted) / 1000;
  return [
    { what: `${count} simulated agents: memory of the registry`, value: `${idle} MB`, target: '300 MB' },
    { what: '… and after a restart', value: `${await megabytes()} MB`, target: '300 MB' },
    { what: '… processor while all are idle', value: `${share.toFixed(1)} % of a core` },
    { what: '… all back after a restart', value: `${back.toFixed(1)} s`, target: '30 s' },
  ];
}
