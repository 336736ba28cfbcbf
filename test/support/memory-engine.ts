import { randomBytes } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import {
  type ContainerInfo,
  type ContainerState,
  NEW_STATE,
} from '../../runtime-agent/containers/container-info.ts';
import type { CreateRequest, WaitResult } from '../../runtime-agent/containers/containers.ts';
import type { HostFacts } from '../../runtime-agent/engine-api/host-facts.ts';
import { EngineError } from '../../runtime-agent/errors.ts';
import { EventBus } from '../../runtime-agent/events/event-bus.ts';
import type { FleetEngine } from '../../runtime-agent/fleet/fleet-context.ts';
import type { InstanceRoutes, RoutedInstance } from '../../runtime-agent/fleet/instance-routes.ts';

/** What a container does, as its command says: it runs until it is stopped, or it ends at once with this code. */
export type Program = 'runs' | `exits ${number}`;

const HOST: HostFacts = {
  version: '0.0.1',
  id: 'memory',
  hostname: 'host',
  operatingSystem: 'Debian',
  kernelVersion: '6.1',
  machine: 'x86_64',
  architecture: 'amd64',
  cpus: 2,
  memory: 1024 ** 3,
  cgroupVersion: '2',
  dataDirectory: '/data',
  storageDriver: 'erofs',
  runtime: { name: 'crun', path: '/usr/bin/crun', version: '1.21' },
  insecureRegistries: [],
};

/**
 * Containers, images, networks, volumes and routes of a host as values, which outlive the fleet over them as the real ones
 * outlive a killed agent. `effect` stands before each change: `await effect(work)` does it, or never returns.
 */
export class MemoryHost {
  readonly events = new EventBus();
  readonly containers = new Map<string, ContainerInfo>();
  readonly images = new Set<string>();
  readonly networks = new Map<string, Readonly<Record<string, string>>>();
  readonly volumes = new Set<string>();
  /** Addresses that requests of an app are led to. */
  readonly led = new Map<string, readonly RoutedInstance[]>();
  /** Containers that were started, in order. */
  readonly started: ContainerInfo[] = [];
  readonly #ended = new Map<string, PromiseWithResolvers<WaitResult>>();
  #addresses = 1;

  /** The parts of an agent that a fleet works with. Each call is of one life of the agent. */
  engine(effect: <Result>(work: () => Promise<Result>) => Promise<Result>): FleetEngine {
    const parts = {
      events: this.events,
      host: HOST,
      log: pino({ level: 'silent' }),
      containers: {
        create: (request: CreateRequest) => effect(async () => this.#create(request)),
        start: (id: string) => effect(async () => this.#start(id)),
        stop: (id: string) => effect(async () => this.#stop(id)),
        remove: (id: string) => effect(async () => this.#remove(id)),
        get: async (id: string) => this.#find(id),
        list: async () => [...this.containers.values()].reverse(),
        wait: async (id: string) => ({ result: this.#wait(id) }),
        logs: async () => [],
      },
      control: {
        setReady: (id: string, isReady: boolean) => effect(async () => this.#setReady(id, isReady)),
        rename: (id: string, name: string) => effect(async () => this.#change(id, { name })),
      },
      images: {
        pull: (reference: string) => effect(async () => this.images.add(reference)),
        get: async (reference: string) => {
          if (!this.images.has(reference)) throw new EngineError('not-found', `No such image: ${reference}`);
          return {};
        },
        remove: async (reference: string) => this.images.delete(reference),
      },
      networks: {
        list: () => [...this.networks].map(([name, labels]) => ({ network: { name, labels } })),
        get: (name: string) => {
          const labels = this.networks.get(name);
          if (labels === undefined) throw new EngineError('not-found', `network ${name} not found`);
          return { network: { name, labels, driver: 'bridge' } };
        },
        create: ({ name, labels }: { name: string; labels: Record<string, string> }) =>
          effect(async () => this.networks.set(name, labels)),
        remove: (name: string) => effect(async () => this.networks.delete(name)),
      },
      volumes: {
        get: async (name: string) => {
          if (!this.volumes.has(name)) throw new EngineError('not-found', `get ${name}: no such volume`);
          return { name, labels: {} };
        },
        create: ({ name }: { name: string }) =>
          effect(async () => {
            this.volumes.add(name);
            return { name, labels: {} };
          }),
      },
    };
    return parts as unknown as FleetEngine;
  }

  routes(effect: <Result>(work: () => Promise<Result>) => Promise<Result>): InstanceRoutes {
    return {
      lead: (app, instances) =>
        effect(async () => {
          this.led.set(app, instances);
        }),
      drained: () => effect(async () => undefined),
    };
  }

  /** Ends what a container runs. */
  exit(id: string, exitCode: number): void {
    this.#end(id, { exitCode });
  }

  /** Changes the state of a container. */
  setState(id: string, change: Partial<ContainerState>): void {
    this.#change(id, { state: { ...this.#find(id).state, ...change } });
  }

  #create({ name = '', config, hostConfig, networks = {} }: CreateRequest): { id: string; warnings: [] } {
    if ([...this.containers.values()].some((one) => one.name === name)) {
      throw new EngineError('conflict', `the name ${name} is in use`);
    }
    const id = randomBytes(32).toString('hex');
    this.containers.set(id, {
      ...{ id, name, config, hostConfig, networks, createdAt: new Date().toISOString() },
      ...{ imageId: config.Image, path: '', args: [], logPath: '', mounts: [] },
      activeNetwork: undefined,
      state: NEW_STATE,
    });
    return { id, warnings: [] };
  }

  #start(id: string): void {
    const { config, state, hostConfig, networks } = this.#find(id);
    if (state.status === 'running') throw new EngineError('not-modified', `${id} runs`);
    const ports = Object.keys(hostConfig.PortBindings ?? {});
    const taken = [...this.containers.values()].some(
      (one) =>
        one.state.status === 'running' &&
        Object.keys(one.hostConfig.PortBindings ?? {}).some((port) => ports.includes(port)),
    );
    if (taken) throw new EngineError('bad-request', `a port of ${id} is in use`);
    this.#addresses += 1;
    const ipv4 = `10.0.${this.#addresses >> 8}.${this.#addresses & 255}/16`;
    const endpoints = Object.keys(networks).map((name) => ({ network: { id: name, name }, ipv4 }));
    this.#change(id, {
      state: { ...state, status: 'running', pid: 1, exitCode: 0, stoppedByUser: false },
      activeNetwork: { endpoints, ports: [] } as unknown as NonNullable<ContainerInfo['activeNetwork']>,
    });
    this.started.push(this.#find(id));
    this.#ended.set(id, Promise.withResolvers());
    this.#tell(id, 'start');
    const program = (config.Cmd?.[0] ?? 'runs') as Program;
    if (program !== 'runs') void turn().then(() => this.#end(id, { exitCode: Number(program.slice(6)) }));
  }

  #stop(id: string): void {
    if (this.#find(id).state.status !== 'running') throw new EngineError('not-modified', `${id} has ended`);
    this.#end(id, { exitCode: 143, stoppedByUser: true });
  }

  #end(id: string, change: Partial<ContainerState>): void {
    const container = this.containers.get(id);
    if (container?.state.status !== 'running') return;
    const state = { ...container.state, pid: 0, status: 'exited' as const, ...change };
    this.#change(id, { state, activeNetwork: undefined });
    this.#ended.get(id)?.resolve({ exitCode: state.exitCode });
    this.#tell(id, 'die', { exitCode: String(state.exitCode) });
  }

  #remove(id: string): void {
    this.#find(id);
    this.#end(id, { exitCode: 137, stoppedByUser: true });
    this.#tell(id, 'destroy');
    this.containers.delete(id);
  }

  async #wait(id: string): Promise<WaitResult> {
    const { state } = this.#find(id);
    return state.status === 'running'
      ? ((await this.#ended.get(id)?.promise) ?? { exitCode: 0 })
      : { exitCode: state.exitCode };
  }

  #setReady(id: string, isReady: boolean): void {
    const networks = Object.entries(this.#find(id).networks).map(
      ([name, settings]) => [name, { ...settings, isWaiting: !isReady }] as const,
    );
    this.#change(id, { networks: Object.fromEntries(networks) });
  }

  #find(id: string): ContainerInfo {
    const found = this.containers.get(id);
    if (found === undefined) throw new EngineError('not-found', `No such container: ${id}`);
    return found;
  }

  #change(id: string, change: Partial<ContainerInfo>): void {
    this.containers.set(id, { ...this.#find(id), ...change });
  }

  #tell(id: string, action: string, more: Readonly<Record<string, string>> = {}): void {
    const attributes = { ...this.#find(id).config.Labels, ...more };
    this.events.publish({ type: 'container', action, id, attributes });
  }
}
