import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { readProcessStat } from '../../lib/linux/process/proc.ts';
import type { ContainerInfo } from '../../runtime-agent/containers/container-info.ts';
import { openAgentDatabase } from '../../runtime-agent/database.ts';
import { EventBus } from '../../runtime-agent/events/event-bus.ts';
import type { RunningContainer } from '../../runtime-agent/networks/container-networks.ts';
import { type AgentNetworking, createNetworks } from '../../runtime-agent/networks/create-networks.ts';
import {
  type ActiveNetwork,
  DEFAULT_ENDPOINT,
  type PortBindings,
} from '../../runtime-agent/networks/network.ts';
import type { NetworkRequest } from '../../runtime-agent/networks/plan/new-network.ts';
import { type CleanupScope, defer } from './cleanup.ts';
import { containerConfig, hostConfig } from './container-requests.ts';
import { eventually } from './eventually.ts';
import { startProcess } from './managed-process.ts';
import { runCommand } from './run-command.ts';
import { makeTempDir } from './temp-dir.ts';

/** The networks of an agent in this process: a container is a network namespace without a root file system. */
export interface NetworkAgent {
  readonly dataDirectory: string;
  networking(): AgentNetworking;
  createNetwork(name: string, changes?: Partial<NetworkRequest>): Promise<void>;
  /** Runs a container in the networks, which serves its name by HTTP on ports 80 and 81 until `end`. */
  run(name: string, options?: RunOptions): Promise<NetworkContainer>;
  /** Ends the agent as SIGKILL does: the kernel keeps all that it has, and containers run on. */
  kill(): Promise<void>;
  /** Ends it as SIGTERM does where no container runs. */
  stopIdle(): Promise<void>;
  /** Starts it again on the same data, with those of its containers that run. */
  start(): Promise<void>;
}

export interface RunOptions {
  readonly networks?: readonly string[];
  readonly ports?: PortBindings;
}

export interface NetworkContainer {
  readonly container: ContainerInfo;
  readonly ipv4: string;
  readonly ipv6: string;
  /** What runs a program in its network namespace: before its name. */
  readonly enter: readonly string[];
  /** Kills its processes, so that the namespace goes; an agent that runs is told as well. */
  end(): Promise<void>;
}

/** Starts such an agent over a fresh data folder. The test is in a network namespace of its own. Needs root. */
export async function startNetworkAgent(scope: CleanupScope): Promise<NetworkAgent> {
  const dataDirectory = await makeTempDir(scope, 'networks');
  const running = new Map<string, Adopted>();
  let current: AgentNetworking | undefined;
  let end: (options: { readonly idle: boolean }) => Promise<void> = async () => undefined;
  const networking = () => {
    if (current === undefined) throw new Error('the agent does not run');
    return current;
  };
  const start = async () => {
    const knex = await openAgentDatabase(dataDirectory);
    const log = pino({ level: 'silent' });
    const opened = await createNetworks({ knex, events: new EventBus(), dataDirectory, log });
    current = opened;
    end = async (options) => {
      current = undefined;
      end = async () => undefined;
      await opened.close(options);
      await knex.destroy();
    };
    for (const { active, ...container } of running.values()) {
      opened.containerNetworks.adopt(container, active);
    }
    await opened.containerNetworks.restore();
  };
  await start();
  // What it has in the kernel goes with it, also where it was killed.
  defer(scope, async () => {
    running.clear();
    if (current === undefined) await start();
    await end({ idle: true });
  });
  return {
    dataDirectory,
    networking,
    createNetwork: async (name, changes = {}) => {
      await networking().networks.create({ ...PLAIN_NETWORK, name, ...changes });
    },
    run: async (name, options = {}) => {
      const container = exampleContainer(name, options);
      const opened = await networking().containerNetworks.open(container);
      const folder = join(dataDirectory, container.id);
      await mkdir(folder);
      await writeFile(join(folder, 'index.html'), `${name}\n`);
      const enter = ['nsenter', `--net=${opened.namespace}`];
      const servers = ['80', '81'].map((port) =>
        startProcess(scope, 'nsenter', [
          ...enter.slice(1),
          'busybox',
          'httpd',
          '-f',
          '-p',
          port,
          '-h',
          folder,
        ]),
      );
      await opened.ready;
      await eventually(`${name} listens`, async () => {
        const [command = '', ...args] = enter;
        const { stdout } = await runCommand(command, [...args, 'ss', '-ltn']);
        return stdout.includes(':80 ') && stdout.includes(':81 ') ? true : undefined;
      });
      opened.release();
      const pid = servers[0]?.pid ?? 0;
      const startTime = readProcessStat(pid)?.startTime ?? 0;
      running.set(container.id, { container, pid, startTime, active: opened.active });
      const [endpoint] = opened.active.endpoints;
      return {
        container,
        ipv4: endpoint?.ipv4.split('/')[0] ?? '',
        ipv6: endpoint?.ipv6.split('/')[0] ?? '',
        enter: ['nsenter', `--net=/proc/${pid}/ns/net`],
        end: async () => {
          running.delete(container.id);
          await Promise.all(servers.map((server) => server.end('SIGKILL')));
          await current?.containerNetworks.close(container.id);
        },
      };
    },
    kill: () => end({ idle: false }),
    stopIdle: () => end({ idle: true }),
    start,
  };
}

type Adopted = RunningContainer & { readonly active: ActiveNetwork };

const PLAIN_NETWORK: Omit<NetworkRequest, 'name'> = {
  driver: 'bridge',
  internal: false,
  attachable: false,
  enableIpv6: false,
  ipamOptions: null,
  subnets: [],
  options: {},
  labels: {},
};

function exampleContainer(name: string, { networks = ['bridge'], ports = {} }: RunOptions): ContainerInfo {
  const [first = 'bridge'] = networks;
  return {
    id: randomBytes(32).toString('hex'),
    name,
    createdAt: '2026-01-02T03:04:05.000000000Z',
    config: containerConfig([], { Hostname: name }),
    hostConfig: hostConfig({ NetworkMode: first, PortBindings: ports }),
    imageId: '',
    path: '',
    args: [],
    logPath: '',
    mounts: [],
    networks: Object.fromEntries(networks.map((network) => [network, DEFAULT_ENDPOINT])),
    activeNetwork: undefined,
    state: {
      status: 'running',
      pid: 0,
      exitCode: 0,
      oomKilled: false,
      error: '',
      startedAt: '',
      finishedAt: '',
      restartCount: 0,
      stoppedByUser: false,
    },
  };
}
