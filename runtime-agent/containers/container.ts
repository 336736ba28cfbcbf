import type { Logger } from 'pino';
import type { Libc } from '../../lib/linux/libc.ts';
import { isProcessAlive, processAge } from '../../lib/linux/process/proc.ts';
import { signalProcess } from '../../lib/linux/process/signal-process.ts';
import { EngineError, noSuchContainer } from '../errors.ts';
import type { EventBus } from '../events/event-bus.ts';
import type { Images } from '../images/images.ts';
import { type RunPaths, runPaths, type SharedPaths } from '../oci-runner/run-paths.ts';
import type { RuntimeCommands } from '../oci-runner/runtime-commands.ts';
import { type AttachHub, AttachThreadError } from './attach/attach-hub.ts';
import type { AttachSession } from './attach/attach-session.ts';
import type { ContainerBase, ContainerInfo, ContainerState } from './container-info.ts';
import type { ContainerTable, Run, StoredContainer } from './container-table.ts';
import type { Attachment } from './containers.ts';
import { Waiters } from './waiters.ts';

/** The services of the agent that each container uses. */
export interface ContainerServices {
  readonly paths: SharedPaths;
  readonly table: ContainerTable;
  readonly events: EventBus;
  readonly hub: AttachHub;
  readonly commands: RuntimeCommands;
  readonly libc: Libc;
  readonly log: Logger;
}

/**
 * A container of this host. It owns its lock, its state in memory and in the database, its events, its waiters and its
 * attached clients. Its life cycle is in create.ts, start.ts, stop.ts, exit.ts, remove.ts and recover.ts.
 */
export class Container {
  readonly id: string;
  readonly paths: RunPaths;
  readonly commands: RuntimeCommands;
  /** Each line names the container. */
  readonly log: Logger;
  readonly waiters = new Waiters();
  /** Whether a client has asked to stop it; then its exit publishes `stop`. */
  stopping = false;
  /** Pending `restart` calls; AutoRemove keeps the container meanwhile. */
  restarts = 0;
  restartTimer: NodeJS.Timeout | undefined;
  /** Consecutive short runs, which determine the delay of the next restart. */
  failures = 0;
  isRemoved = false;
  readonly #services: ContainerServices;
  #stored: StoredContainer;
  #session: AttachSession | undefined;
  #lastWork: Promise<unknown> = Promise.resolve();

  constructor(stored: StoredContainer, services: ContainerServices) {
    this.id = stored.container.id;
    this.paths = runPaths(services.paths, this.id);
    this.commands = services.commands;
    this.log = services.log.child({ container: this.id });
    this.#services = services;
    this.#stored = stored;
  }

  get info(): ContainerInfo {
    return this.#stored.container;
  }

  get run(): Run | undefined {
    return this.#stored.run;
  }

  /** Whether its process runs; `run` remains set until the exit is recorded. */
  get isAlive(): boolean {
    const { run } = this;
    return run !== undefined && isProcessAlive(run.pid, run.startTime);
  }

  /** Milliseconds since the process started, by the monotonic clock; 0 without a run. */
  get runAge(): number {
    return this.run === undefined ? 0 : processAge(this.run.startTime);
  }

  /** Runs one task at a time, in order: starting, stopping, attaching and removing exclude each other. */
  lock<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#lastWork.then(work);
    this.#lastWork = result.catch(() => undefined);
    return result;
  }

  /** Waits for the work that holds the lock or waits for it. */
  async settled(): Promise<void> {
    await this.lock(async () => undefined);
  }

  /** Throws EngineError 'not-found' if it was removed, for example while the caller waited for the lock. */
  checkExists(): void {
    if (this.isRemoved) throw noSuchContainer(this.id);
  }

  /** Throws EngineError 'not-found', or 'conflict' while it is being removed or could not be removed. */
  checkUsable(): void {
    this.checkExists();
    const { status } = this.info.state;
    if (status === 'removing' || status === 'dead') {
      throw new EngineError('conflict', `container ${this.info.name} is marked for removal`);
    }
  }

  /** Changes the state in memory; `save` writes it to the database. */
  change(changes: {
    readonly state?: Partial<ContainerState>;
    readonly run?: Run | undefined;
    readonly networks?: ContainerInfo['networks'];
  }): void {
    const { info } = this;
    const run = 'run' in changes ? changes.run : this.run;
    this.#stored = {
      container: {
        ...info,
        networks: changes.networks ?? info.networks,
        activeNetwork: run?.network,
        state: { ...info.state, ...changes.state, pid: run?.pid ?? 0 },
      },
      run,
    };
  }

  async save(): Promise<void> {
    await this.#services.table.update(this.#stored);
  }

  /** Changes the name or HostConfig, in the database first. */
  async changeSettings(changes: Partial<Pick<ContainerInfo, 'name' | 'hostConfig'>>): Promise<void> {
    await this.#services.table.updateSettings({ ...this.info, ...changes });
    this.#stored = { ...this.#stored, container: { ...this.info, ...changes } };
  }

  async insertRow(): Promise<void> {
    await this.#services.table.insert(this.#stored);
  }

  async deleteRow(): Promise<void> {
    await this.#services.table.delete(this.id);
  }

  /** Publishes an event of the container, as dockerd does. */
  publish(action: string, more?: Readonly<Record<string, string>>): void {
    publishContainerEvent(this.#services.events, this.info, action, more);
  }

  /** Publishes an event for each volume that a start mounts or an exit unmounts. */
  publishVolumes(action: 'mount' | 'unmount'): void {
    publishVolumeEvents(this.#services.events, this.info, action);
  }

  /** Sends a signal to the process, if it runs, and publishes `kill`. */
  signal(signal: number): void {
    const { run } = this;
    if (run === undefined) return;
    signalProcess(this.#services.libc, run.pid, run.startTime, signal);
    this.publish('kill', { signal: String(signal) });
  }

  /** Returns the clients of the current run, or of the next one. */
  session(): AttachSession {
    const { OpenStdin, StdinOnce, Tty } = this.info.config;
    const input = { open: OpenStdin, once: StdinOnce && !Tty };
    this.#session ??= this.#services.hub.open(input, () => this.isAlive);
    return this.#session;
  }

  /** Returns the clients of the current run, which the caller ends; later clients wait for the next run. */
  takeSession(): AttachSession | undefined {
    const session = this.#session;
    this.#session = undefined;
    return session;
  }

  /** Attaches a client to the current run, or to the next one. See Containers.attach. */
  attach(options: {
    readonly stdin: boolean;
    readonly stdout: boolean;
    readonly stderr: boolean;
  }): Promise<Attachment> {
    // A start in progress holds the lock, so it has either connected its clients or not begun.
    return this.lock(async () => {
      this.checkExists();
      const session = this.session();
      const attachment = session.join(options);
      if (this.run !== undefined) {
        try {
          await session.connect(this.paths.attach);
        } catch (error) {
          if (error instanceof AttachThreadError) throw error;
          // conmon has just exited: the container has exited, and its output ends.
          this.log.debug({ err: error }, 'a client attached too late');
        }
      }
      this.publish('attach');
      return attachment;
    });
  }
}

/**
 * Returns the layers and platform of a container, whose image may have been removed by force. Containers of an earlier
 * agent ask their image. Throws EngineError 'not-found'.
 */
export async function containerBase(
  images: Pick<Images, 'get'>,
  { base, imageId }: Pick<ContainerInfo, 'base' | 'imageId'>,
): Promise<ContainerBase> {
  if (base !== undefined) return base;
  const { diffIds, platform } = await images.get(imageId);
  return { diffIds, platform };
}

/** Publishes an event of a container with its image, name and labels, as dockerd does. */
export function publishContainerEvent(
  events: EventBus,
  container: ContainerInfo,
  action: string,
  more: Readonly<Record<string, string>> = {},
): void {
  events.publish({
    type: 'container',
    action,
    id: container.id,
    attributes: { ...container.config.Labels, ...more, image: container.config.Image, name: container.name },
  });
}

/** Publishes an event for each volume that a start mounts or an exit unmounts, as dockerd does. */
function publishVolumeEvents(
  events: EventBus,
  { id, mounts }: ContainerInfo,
  action: 'mount' | 'unmount',
): void {
  for (const { name, destination, propagation, writable } of mounts) {
    if (name === undefined) continue;
    const where = { destination, propagation, 'read/write': String(writable) };
    events.publish({
      type: 'volume',
      action,
      id: name,
      attributes: { container: id, driver: 'local', ...(action === 'mount' ? where : {}) },
    });
  }
}
