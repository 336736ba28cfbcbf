/**
 * Hosts that are connected and idle: memory and processor time of the registry, and how soon all are back after a restart.
 *
 *     node test/bench/fleet-hosts.ts [HOSTS] [SECONDS]
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { withCleanup } from '../support/cleanup.ts';
import { basicAuthorization } from '../support/http-client.ts';
import { FACTS, type HostSocket, type JoinedHost, joinHost, postJson } from '../support/joined-host.ts';
import { startRegistry } from '../support/registry-process.ts';

const HOSTS = Number(process.argv[2] ?? 1000);
const SECONDS = Number(process.argv[3] ?? 60);
const AT_ONCE = 20;
/** Milliseconds over which hosts spread their next attempt to connect. */
const JITTER = 10_000;
const PASSWORD = 'a password of benchmarks';
const ADMIN = basicAuthorization('admin', PASSWORD);
const TICKS_PER_SECOND = 100;

await withCleanup(async (scope) => {
  const registry = await startRegistry(scope, { adminPassword: PASSWORD, env: { BERTH_LOG_LEVEL: 'warn' } });
  const usage = async () => {
    const { pid } = registry.process();
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
    return {
      megabytes: Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024),
      seconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    };
  };
  const print = (what: string, value: object) => console.log(what, JSON.stringify(value));
  print('before', await usage());

  const began = performance.now();
  const hosts: JoinedHost[] = [];
  const sockets = new Map<string, HostSocket>();
  const connect = async (host: JoinedHost) => {
    const socket = await host.connect();
    socket.send({ type: 'hello', facts: FACTS, generation: 0 });
    await socket.message('target');
    sockets.set(host.id, socket);
  };
  let next = 0;
  const joinSome = async () => {
    while (next < HOSTS) {
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
  print('joined and connected', { hosts: sockets.size, seconds: (performance.now() - began) / 1000 });

  const idle = await usage();
  await sleep(SECONDS * 1000);
  const later = await usage();
  print('idle', {
    megabytes: later.megabytes,
    percentOfProcessor: ((later.seconds - idle.seconds) / SECONDS) * 100,
  });

  await registry.stop();
  const codes = new Set<number | undefined>();
  for (const socket of sockets.values()) codes.add(await socket.ended());
  print('stopped', { codes: [...codes] });
  sockets.clear();
  await registry.restart();
  const restarted = performance.now();
  await Promise.all(
    hosts.map(async (host) => {
      await sleep(Math.random() * JITTER);
      await connect(host);
    }),
  );
  print('all back after a restart', {
    hosts: sockets.size,
    after: (performance.now() - restarted) / 1000,
    megabytes: (await usage()).megabytes,
  });
});
