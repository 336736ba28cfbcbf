import { isProcessAlive, processAge } from '../../lib/linux/process/proc.ts';
import type { Images } from '../images/images.ts';
import type { RunPaths } from '../oci-runner/run-paths.ts';
import type { AttachSession } from './attach/attach-session.ts';
import type { ContainerBase, ContainerInfo, ContainerState, HostConfig } from './container-info.ts';
import type { Run, StoredContainer } from './container-table.ts';
import { Waiters } from './waiters.ts';

/** Runs one task at a time, in order. */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

/** A container in memory: its stored part, and the state that only this process has. */
export class LiveContainer {
  readonly id: string;
  readonly paths: RunPaths;
  /** Held while the container is started, stopped, attached or removed. */
  readonly mutex = new Mutex();
  readonly waiters = new Waiters();
  /** Clients of the present run, or of the next one. */
  session: AttachSession | undefined;
  /** Whether a client has asked to stop it; its exit publishes `stop` then. */
  stopping = false;
  /** Pending `restart` calls; AutoRemove keeps the container meanwhile. */
  restarts = 0;
  restartTimer: NodeJS.Timeout | undefined;
  /** Consecutive short runs, which determine the delay of the next restart. */
  failures = 0;
  #stored: StoredContainer;

  constructor(stored: StoredContainer, paths: RunPaths) {
    this.id = stored.container.id;
    this.paths = paths;
    this.#stored = stored;
  }

  get stored(): StoredContainer {
    return this.#stored;
  }

  get container(): ContainerInfo {
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

  /** Changes the container in memory; the caller writes `stored` to the database. */
  change(changes: {
    readonly name?: string;
    readonly hostConfig?: HostConfig;
    readonly state?: Partial<ContainerState>;
    readonly run?: Run | undefined;
    readonly networks?: ContainerInfo['networks'];
    readonly stoppedByUser?: boolean;
  }): void {
    const { container } = this.#stored;
    const run = 'run' in changes ? changes.run : this.#stored.run;
    this.#stored = {
      container: {
        ...container,
        name: changes.name ?? container.name,
        hostConfig: changes.hostConfig ?? container.hostConfig,
        networks: changes.networks ?? container.networks,
        activeNetwork: run?.network,
        state: { ...container.state, ...changes.state, pid: run?.pid ?? 0 },
      },
      run,
      stoppedByUser: changes.stoppedByUser ?? this.#stored.stoppedByUser,
    };
  }
}

/**
 * Returns the layers and platform of a container, whose image may have been removed by force. Containers of an earlier
 * agent ask their image. Throws EngineError 'not-found'.
 */
export async function containerBase(
  { images }: { readonly images: Pick<Images, 'get'> },
  { base, imageId }: Pick<ContainerInfo, 'base' | 'imageId'>,
): Promise<ContainerBase> {
  if (base !== undefined) return base;
  const { diffIds, platform } = await images.get(imageId);
  return { diffIds, platform };
}
