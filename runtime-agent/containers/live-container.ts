import { isProcessAlive, processAge } from '../../lib/linux/process/proc.ts';
import type { Images } from '../images/images.ts';
import type { RunPaths } from '../oci-runner/run-paths.ts';
import type { AttachSession } from './attach/attach-session.ts';
import type { Container, ContainerBase, ContainerState, HostConfig } from './container.ts';
import type { Run, StoredContainer } from './container-table.ts';
import { Waiters } from './waiters.ts';

/** Lets one piece of work run at a time, in the order of asking. */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

/** A container as the agent holds it in memory: what is stored, and what only this process knows. */
export class LiveContainer {
  readonly id: string;
  readonly paths: RunPaths;
  /** Starting, ending, attaching and removing take turns. */
  readonly mutex = new Mutex();
  readonly waiters = new Waiters();
  /** Clients of the present run, or of the one to come. */
  session: AttachSession | undefined;
  /** Somebody asked for the container to be stopped, and its end will be told as such. */
  stopping = false;
  /** Restarts that wait for its end, which is no reason to remove it meanwhile. */
  restarts = 0;
  restartTimer: NodeJS.Timeout | undefined;
  /** Runs in a row that ended soon, by which the next restart is delayed. */
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

  get container(): Container {
    return this.#stored.container;
  }

  get run(): Run | undefined {
    return this.#stored.run;
  }

  /** Whether its process runs. After its end `run` stays until that is recorded. */
  get isAlive(): boolean {
    const { run } = this;
    return run !== undefined && isProcessAlive(run.pid, run.startTime);
  }

  /** Milliseconds since the process of the run began, by the monotonic clock; 0 without a run. */
  get runAge(): number {
    return this.run === undefined ? 0 : processAge(this.run.startTime);
  }

  /** Changes what is in memory; the caller writes `stored` to the database. */
  change(changes: {
    readonly name?: string;
    readonly hostConfig?: HostConfig;
    readonly state?: Partial<ContainerState>;
    readonly run?: Run | undefined;
    readonly networks?: Container['networks'];
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
 * What a container stands on. Its image may have gone by force while it did not run. Containers of an earlier agent have their
 * image still. Throws EngineError 'not-found'.
 */
export async function containerBase(
  { images }: { readonly images: Pick<Images, 'get'> },
  { base, imageId }: Pick<Container, 'base' | 'imageId'>,
): Promise<ContainerBase> {
  if (base !== undefined) return base;
  const { diffIds, platform } = await images.get(imageId);
  return { diffIds, platform };
}
