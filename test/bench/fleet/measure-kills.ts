import { setTimeout as sleep } from 'node:timers/promises';
import type { CleanupScope } from '../../support/cleanup.ts';
import { callEngineAt } from '../../support/engine-call.ts';
import { eventually } from '../../support/eventually.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import {
  APP,
  type BenchFleet,
  type BenchHost,
  hasEnded,
  ROUTE_HOST,
  startBenchFleet,
} from './bench-fleet.ts';
import { BenchImages } from './bench-images.ts';
import type { FleetFigure } from './figures.ts';

const PATH = `/apps/${encodeURIComponent(APP)}`;
/** Milliseconds within which kills of a rollout begin. */
const WINDOW = 4000;
/** Milliseconds for which what was killed stays away at most. */
const AWAY = 1500;
/** Milliseconds after the end of a rollout in which hosts may still remove what they have replaced. */
const SETTLING = 60_000;

/** Rollouts in which agents, registry and proxies are killed at random: each is to end in exactly one release everywhere. */
export async function measureKills(
  scope: CleanupScope,
  signal: AbortSignal,
  { hosts: count, rounds }: { readonly hosts: number; readonly rounds: number },
): Promise<readonly FleetFigure[]> {
  const fleet = await startBenchFleet(scope, signal, { hosts: count });
  const images = new BenchImages(fleet.registry.url, await makeTempDir(scope, 'images'), 100_000);
  await (await images.prepare()).put();
  const web = {
    image: images.reference,
    command: ['httpd', '-f', '-p', '80', '-h', '/'],
    init: true,
    stop_grace_period: '1s',
    deploy: { update_config: { monitor: '1s' } },
    'x-berth': { route: { host: ROUTE_HOST, port: 80 } },
  };
  const body = { compose: { services: { web } }, on: { role: 'web' } };
  await fleet.manage('POST', `${PATH}/releases`, body);
  await fleet.until('the first release is done', (view) => view.state === 'done');

  const kills = new Map<string, number>();
  const ends = new Map<string, number>();
  const wrong: string[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    await (await images.prepare()).put();
    const { release } = await fleet.manage<{ release: number }>('POST', `${PATH}/releases`, body);
    const killed: string[] = [];
    const times = 1 + Math.floor(Math.random() * 3);
    for (let kill = 0; kill < times; kill += 1) {
      await sleep((Math.random() * WINDOW) / times, undefined, { signal });
      const what = await killSomething(fleet, signal);
      killed.push(what);
      kills.set(what, (kills.get(what) ?? 0) + 1);
    }
    const view = await fleet.until(
      'the rollout has ended',
      (one) => one.release === release && hasEnded(one),
    );
    ends.set(view.state, (ends.get(view.state) ?? 0) + 1);
    const { current } = await fleet.manage<{ current: number }>('GET', PATH);
    const seen = await releasesOf(fleet, current).catch((error: Error) => error.message);
    if (seen !== '') wrong.push(`round ${round} (${killed.join(', ')}): ${view.state}, ${seen}`);
    console.error(`round ${round}: killed ${killed.join(', ')}; ${view.state} ${seen}`);
  }
  for (const line of wrong) console.error(line);
  const listed = (map: ReadonlyMap<string, number>) =>
    [...map].map(([name, times]) => `${name} ${times}`).join(', ');
  return [
    {
      what: `${rounds} rollouts to ${count} hosts with kill -9 (${listed(kills)})`,
      value: `${rounds - wrong.length} end in one release everywhere (${listed(ends)})`,
      target: 'all',
    },
  ];
}

/** Kills the registry, an agent or a proxy, and starts it again after a while, as systemd does. Answers which. */
async function killSomething({ hosts, registry }: BenchFleet, signal: AbortSignal): Promise<string> {
  const host = hosts[Math.floor(Math.random() * hosts.length)];
  const away = () => sleep(Math.random() * AWAY, undefined, { signal });
  const dice = Math.random();
  if (dice < 0.25 || host === undefined) {
    await registry.kill();
    await away();
    await registry.restart();
    return 'registry';
  }
  if (dice < 0.75) {
    await host.kill();
    await away();
    await host.restart();
    return 'agent';
  }
  await killProxy(host);
  return 'proxy';
}

/** Its agent starts it again. */
async function killProxy(host: BenchHost): Promise<void> {
  await host.run(`for pid in /run/berth-agent/*/ingress/master.pid; do
    [ ! -e "$pid" ] || kill -9 "$(cat "$pid")" || true
  done`);
}

/** Waits until each host runs one instance of `release` and no other. Throws with what they run. */
async function releasesOf({ hosts }: BenchFleet, release: number): Promise<''> {
  const running = async () =>
    Promise.all(hosts.map(async ({ socket }) => (await releasesAt(socket)).join('+')));
  let last: readonly string[] = [];
  return eventually(
    `each host runs release ${release} alone`,
    async () => {
      last = await running();
      return last.every((one) => one === String(release)) ? '' : undefined;
    },
    SETTLING,
  ).catch(() => {
    throw new Error(`release ${release} is current, the hosts run ${last.join(', ')}`);
  });
}

async function releasesAt(socket: string): Promise<readonly string[]> {
  const answer = await callEngineAt(socket, 'GET', '/v1.45/containers/json');
  const containers = JSON.parse(answer.text) as readonly {
    readonly Labels: Readonly<Record<string, string>>;
  }[];
  return containers.map(({ Labels }) => Labels['io.berth.release'] ?? '?');
}
