import { setTimeout as sleep } from 'node:timers/promises';
import { removeContainers } from '../../support/agent-process.ts';
import { type CleanupScope, defer } from '../../support/cleanup.ts';
import { GATEWAY, type HostMachine, plugIn, startHostMachine } from '../../support/host-machine.ts';
import { basicAuthorization } from '../../support/http-client.ts';
import type { ManagedProcess } from '../../support/managed-process.ts';
import { type RegistryProcess, startRegistry } from '../../support/registry-process.ts';
import { waitUntil } from '../../support/wait-until.ts';

export const PASSWORD = 'a password of benchmarks';
export const ADMIN = basicAuthorization('admin', PASSWORD);
export const APP = 'team/shop';
/** Of the route of the app. */
export const ROUTE_HOST = 'shop.example';

/** A host of the benchmark: a machine with an agent that can be killed. */
export interface BenchHost extends HostMachine {
  agent(): ManagedProcess;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Starts the agent again, if it does not run. */
  restart(): Promise<void>;
}

export interface InstanceView {
  readonly release: number;
  readonly state: string;
  readonly health: string;
}

export interface RolloutView {
  readonly revision: string;
  readonly release: number;
  readonly state: string;
  readonly reason: string | null;
  readonly hosts: readonly {
    readonly host: string;
    readonly phase: string | null;
    readonly release: number | null;
    readonly instances: readonly InstanceView[];
  }[];
}

export interface BenchFleet {
  readonly registry: RegistryProcess;
  readonly hosts: readonly BenchHost[];
  /** A call of the management API. Throws with the answer when it is refused. */
  manage<Answer>(method: string, path: string, body?: object): Promise<Answer>;
  /** Waits until a rollout of the app is as `isDone` says, and answers it. */
  until(what: string, isDone: (view: RolloutView) => boolean): Promise<RolloutView>;
  /** Waits for the end of a release. Throws unless it is `done`. */
  untilDone(release: number): Promise<void>;
}

export interface BenchFleetOptions {
  readonly hosts: number;
  /** Of `berth-agent join`. */
  readonly allows?: readonly string[];
  readonly ingress?: boolean;
}

/** Starts a registry and agents that have joined it, each on a machine of its own. The test is in a namespace of its own. */
export async function startBenchFleet(
  scope: CleanupScope,
  signal: AbortSignal,
  { hosts: count, allows = [], ingress = true }: BenchFleetOptions,
): Promise<BenchFleet> {
  await plugIn();
  const registry = await startRegistry(scope, {
    address: GATEWAY,
    adminPassword: PASSWORD,
    env: { BERTH_LOG_LEVEL: 'warn' },
  });
  const manage = async <Answer>(method: string, path: string, body?: object): Promise<Answer> => {
    signal.throwIfAborted();
    const answer = await fetch(`${registry.url}/api/v1${path}`, {
      method,
      headers: { Authorization: ADMIN, ...(body && { 'Content-Type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
      signal,
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as Answer;
  };
  const hosts: BenchHost[] = [];
  for (let number = 1; number <= count; number += 1) {
    const host = await startBenchHost(scope, number, registry, ingress);
    const { token } = await manage<{ token: string }>('POST', '/host-tokens', { labels: { role: 'web' } });
    const allow = allows.map((word) => `--allow ${word}`).join(' ');
    const insecure = `--insecure-registry ${registry.host}`;
    await host.run(`berth-agent join ${registry.url} ${token} --name ${host.name} ${insecure} ${allow}`);
    hosts.push(host);
  }
  const path = `/apps/${encodeURIComponent(APP)}`;
  const until: BenchFleet['until'] = async (what, isDone) => {
    let after = '';
    for (const deadline = performance.now() + 300_000; performance.now() < deadline; ) {
      // The registry may be killed while it is asked.
      const view = await manage<RolloutView>('GET', `${path}/rollout?wait=5${after}`).catch(async () => {
        await sleep(100, undefined, { signal });
        return undefined;
      });
      if (view === undefined) continue;
      if (isDone(view)) return view;
      after = `&after=${encodeURIComponent(view.revision)}`;
    }
    throw new Error(
      `waited in vain until ${what}: ${JSON.stringify(await manage('GET', `${path}/rollout`))}`,
    );
  };
  const online = async () => {
    const { hosts: all } = await manage<{ hosts: { state: string }[] }>('GET', '/hosts');
    return all.filter(({ state }) => state === 'online').length === count;
  };
  await waitUntil('all hosts are online', online, 120_000);
  return {
    registry,
    hosts,
    manage,
    until,
    untilDone: async (release) => {
      const view = await until(
        `release ${release} has ended`,
        (one) => one.release >= release && hasEnded(one),
      );
      if (view.state !== 'done') throw new Error(`release ${view.release} is ${view.state}: ${view.reason}`);
    },
  };
}

export function hasEnded({ state }: Pick<RolloutView, 'state'>): boolean {
  return state !== 'rolling' && state !== 'rolling back';
}

/** Whether a healthy instance of a release runs on each host. */
export function isHealthyEverywhere({ hosts }: RolloutView, release: number): boolean {
  return hosts.every(({ instances }) =>
    instances.some((one) => one.release === release && one.health === 'healthy' && one.state === 'running'),
  );
}

async function startBenchHost(
  scope: CleanupScope,
  number: number,
  registry: RegistryProcess,
  ingress: boolean,
): Promise<BenchHost> {
  const machine = await startHostMachine(scope, `web${number}`, number);
  const command = [
    ...['berth-agent', 'serve', '--insecure-registry', registry.host],
    ...(ingress ? ['--ingress', '0.0.0.0:80'] : []),
  ].join(' ');
  const start = async () => {
    const started = machine.startBare(command);
    await started.waitForLine(/^berth-agent is ready: /m);
    return started;
  };
  // Ends with this function: the steps below know which agent runs.
  let running = await start();
  const restart = async () => {
    if (running.exit() !== undefined) running = await start();
  };
  defer(scope, async () => {
    await restart();
    await machine.run('berth-agent leave || true');
    await removeContainers(machine.socket);
    await running.end('SIGTERM');
  });
  return {
    ...machine,
    agent: () => running,
    kill: async () => {
      await running.end('SIGKILL');
    },
    restart,
  };
}
