import { setTimeout as sleep } from 'node:timers/promises';
import type { CleanupScope } from '../../support/cleanup.ts';
import { runCommand } from '../../support/run-command.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { APP, type BenchFleet, isHealthyEverywhere, ROUTE_HOST, startBenchFleet } from './bench-fleet.ts';
import { BenchImages } from './bench-images.ts';
import { type FleetFigure, spreadOf } from './figures.ts';

const PATH = `/apps/${encodeURIComponent(APP)}`;
/** Milliseconds between two looks at what a host answers. */
const LOOK = 50;
/** Milliseconds between two changes: hosts remove what they have replaced, and settle. */
const REST = 2000;

export interface RolloutOptions {
  readonly hosts: number;
  readonly times: number;
  /** Bytes of the layer that changes. */
  readonly layerSize: number;
}

/** Pushes, each of which is a rollout to all hosts; and rollbacks. */
export async function measureRollouts(
  scope: CleanupScope,
  signal: AbortSignal,
  { hosts: count, times, layerSize }: RolloutOptions,
): Promise<readonly FleetFigure[]> {
  const fleet = await startBenchFleet(scope, signal, { hosts: count });
  const images = new BenchImages(fleet.registry.url, await makeTempDir(scope, 'images'), layerSize);
  const first = await images.prepare();
  await first.put();
  const web = {
    image: images.reference,
    command: ['httpd', '-f', '-p', '80', '-h', '/'],
    init: true,
    stop_grace_period: '2s',
    'x-berth': { route: { host: ROUTE_HOST, port: 80 } },
  };
  const body = { compose: { services: { web } }, on: { role: 'web' } };
  const { release: made } = await fleet.manage<{ release: number }>('POST', `${PATH}/releases`, {
    ...body,
    follow: true,
  });
  let release = made;
  await fleet.untilDone(release);
  await untilServed(fleet, first.version, signal);

  const pushes: Timing[] = [];
  for (let time = 0; time < times; time += 1) {
    const { version, put } = await images.prepare();
    await sleep(REST, undefined, { signal });
    release += 1;
    pushes.push(await timed(fleet, release, version, signal, put));
    print(`push ${time + 1}`, pushes.at(-1));
  }
  const rollbacks: Timing[] = [];
  let current = times + 1;
  for (let time = 0; time < times; time += 1) {
    await sleep(REST, undefined, { signal });
    release += 1;
    current = current === times + 1 ? times : times + 1;
    // Releases 1 to times + 1 have the version of their number.
    const rollback = () => fleet.manage('POST', `${PATH}/rollback`, { to: made + current - 1 });
    rollbacks.push(await timed(fleet, release, String(current), signal, () => rollback()));
    print(`rollback ${time + 1}`, rollbacks.at(-1));
  }
  const megabytes = `${Math.round(layerSize / 1e6)} MB`;
  const spread = (timings: readonly Timing[], key: keyof Timing) => spreadOf(timings.map((one) => one[key]));
  const target = 'p50 3 s, p95 6 s';
  return [
    {
      what: `manifest PUT to healthy on ${count} hosts, ${megabytes} new`,
      value: spread(pushes, 'healthy'),
      target,
    },
    { what: '… to all hosts answering with it', value: spread(pushes, 'served') },
    { what: '… to the end of the rollout', value: spread(pushes, 'ended') },
    { what: `rollback to healthy on ${count} hosts`, value: spread(rollbacks, 'healthy'), target: '2 s' },
    { what: '… to all hosts answering with it', value: spread(rollbacks, 'served') },
    { what: '… to the end of the rollback', value: spread(rollbacks, 'ended'), target: '2 s' },
  ];
}

/** Milliseconds from the beginning of a change. */
interface Timing {
  readonly healthy: number;
  readonly served: number;
  readonly ended: number;
}

async function timed(
  fleet: BenchFleet,
  release: number,
  version: string,
  signal: AbortSignal,
  change: () => Promise<unknown>,
): Promise<Timing> {
  const began = performance.now();
  const elapsed = () => performance.now() - began;
  await change();
  const healthy = fleet
    .until(
      `release ${release} is healthy`,
      (view) => view.release === release && isHealthyEverywhere(view, release),
    )
    .then(elapsed);
  const [isHealthy, ended, served] = await Promise.all([
    healthy,
    fleet.untilDone(release).then(elapsed),
    healthy.then(() => untilServed(fleet, version, signal)).then(elapsed),
  ]);
  return { healthy: isHealthy, served, ended };
}

async function untilServed({ hosts }: BenchFleet, version: string, signal: AbortSignal): Promise<void> {
  await Promise.all(
    hosts.map(async ({ address }) => {
      for (;;) {
        const args = ['-s', '--max-time', '5', '-H', `Host: ${ROUTE_HOST}`, `http://${address}/version`];
        const { stdout } = await runCommand('curl', args, { signal, expectExit: 'any' });
        if (stdout === version) return;
        await sleep(LOOK, undefined, { signal });
      }
    }),
  );
}

function print(what: string, timing: Timing | undefined): void {
  const parts = Object.entries(timing ?? {}).map(([name, value]) => `${name} ${(value / 1000).toFixed(2)} s`);
  console.error(`${what}: ${parts.join(', ')}`);
}
