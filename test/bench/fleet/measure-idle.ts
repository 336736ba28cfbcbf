import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CleanupScope } from '../../support/cleanup.ts';
import { residentBytes } from '../resident-bytes.ts';
import { startBenchFleet } from './bench-fleet.ts';
import type { FleetFigure } from './figures.ts';

/** Milliseconds after which an agent has settled: it gives memory back when it has been idle for a while. */
const SETTLING = 60_000;
const SECONDS_PER_DAY = 24 * 60 * 60;

/** An agent that has joined, without apps: what it costs. */
export async function measureIdle(
  scope: CleanupScope,
  signal: AbortSignal,
  { seconds }: { readonly seconds: number },
): Promise<readonly FleetFigure[]> {
  const fleet = await startBenchFleet(scope, signal, { hosts: 1, ingress: false });
  const [host] = fleet.hosts;
  if (host === undefined) throw new Error('there is no host');
  // The first start of an agent compiles what later ones have in their cache.
  await host.agent().end('SIGTERM');
  await host.restart();
  const agent = host.agent();
  await sleep(SETTLING, undefined, { signal });
  const [bytes, cpu] = [await bytesOf(host.cable), await agent.cpuSeconds()];
  await sleep(seconds * 1000, undefined, { signal });
  const sent = (await bytesOf(host.cable)) - bytes;
  const used = (await agent.cpuSeconds()) - cpu;
  const megabytesADay = (sent / seconds) * (SECONDS_PER_DAY / 1e6);
  const value = (number: number, unit: string) => `${number.toPrecision(2)} ${unit}`;
  return [
    {
      what: `idle joined agent, ${seconds} s: on the wire, both ways`,
      value: value(megabytesADay, 'MB a day'),
      target: '2 MB a day',
    },
    {
      what: '… memory (RSS)',
      value: `${Math.round((await residentBytes(agent.pid)) / 1e6)} MB, of which ${await programOf(agent.pid)} MB Node's own program`,
      target: '90 MB',
    },
    { what: '… processor', value: value((used / seconds) * 100, '% of a core'), target: '0.5 %' },
  ];
}

/** Megabytes that all programs of Node on the machine share. */
async function programOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round((Number(/^RssFile:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024) / 1e6);
}

async function bytesOf(cable: string): Promise<number> {
  const table = await readFile('/proc/self/net/dev', 'utf8');
  const line = table.split('\n').find((one) => one.trim().startsWith(`${cable}:`)) ?? '';
  const fields = line
    .slice(line.indexOf(':') + 1)
    .trim()
    .split(/\s+/);
  return Number(fields[0]) + Number(fields[8]);
}
