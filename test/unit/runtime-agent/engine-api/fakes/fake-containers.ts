import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { constants } from 'node:os';
import { type AsyncQueue, createAsyncQueue } from '../../../../../lib/streams/async-queue.ts';
import type {
  ContainerInfo,
  ContainerState,
} from '../../../../../runtime-agent/containers/container-info.ts';
import type {
  Attachment,
  Containers,
  CreateRequest,
  CreateResult,
  LogLine,
  LogOptions,
  OutputChunk,
  OutputStream,
  WaitCondition,
  WaitResult,
} from '../../../../../runtime-agent/containers/containers.ts';
import { EngineError } from '../../../../../runtime-agent/errors.ts';
import type { EventBus } from '../../../../../runtime-agent/events/event-bus.ts';
import type { FakeImages } from './fake-images.ts';

interface Held {
  container: ContainerInfo;
  process: ChildProcess | undefined;
  readonly log: LogLine[];
  readonly followers: Set<AsyncQueue<LogLine>>;
  readonly attached: Set<AsyncQueue<OutputChunk>>;
  readonly pending: Buffer[];
  inputEnded: boolean;
  readonly waiters: { readonly condition: WaitCondition; readonly settle: (result: WaitResult) => void }[];
}

const ZERO_TIME = '0001-01-01T00:00:00Z';

/** "Containers" that are plain processes of this machine: enough to drive the docker CLI without a runtime. */
export class FakeContainers implements Containers {
  readonly #images: FakeImages;
  readonly #events: EventBus;
  #held: Held[] = [];
  requests: CreateRequest[] = [];
  resized: { readonly rows: number; readonly columns: number }[] = [];
  /** An attach waits for this. */
  held: Promise<unknown> = Promise.resolve();

  constructor(images: FakeImages, events: EventBus) {
    this.#images = images;
    this.#events = events;
  }

  async create(request: CreateRequest): Promise<CreateResult> {
    this.requests.push(request);
    const image = await this.#images.get(request.config.Image);
    const name = request.name ?? `fake_${this.requests.length}`;
    if (this.#held.some(({ container }) => container.name === name)) {
      throw new EngineError('conflict', `Conflict. The container name "/${name}" is already in use`);
    }
    const [path = '/bin/sh', ...args] = [
      ...(request.config.Entrypoint ?? []),
      ...(request.config.Cmd ?? image.config.Cmd ?? []),
    ];
    const id = randomBytes(32).toString('hex');
    const container: ContainerInfo = {
      id,
      name,
      createdAt: new Date().toISOString(),
      config: { ...request.config, Hostname: request.config.Hostname || id.slice(0, 12) },
      hostConfig: request.hostConfig,
      imageId: image.id,
      path,
      args,
      state: {
        status: 'created',
        pid: 0,
        exitCode: 0,
        oomKilled: false,
        error: '',
        startedAt: ZERO_TIME,
        finishedAt: ZERO_TIME,
        restartCount: 0,
        stoppedByUser: false,
      },
      logPath: '/log',
      mounts: [],
      networks: request.networks ?? {},
      activeNetwork: undefined,
    };
    this.#held.unshift({
      container,
      process: undefined,
      log: [],
      followers: new Set(),
      attached: new Set(),
      pending: [],
      inputEnded: false,
      waiters: [],
    });
    this.#tell(container, 'create');
    return { id, warnings: [] };
  }

  async start(ref: string): Promise<void> {
    const held = this.#find(ref);
    if (held.process !== undefined) throw new EngineError('not-modified', `${ref} runs`);
    const { path, args, config } = held.container;
    const child = spawn(path, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error: NodeJS.ErrnoException) => {
        const exitCode = error.code === 'EACCES' ? 126 : 127;
        const why = exitCode === 126 ? 'permission denied' : 'executable file not found in $PATH';
        const message = `exec: "${path}": ${why}: unknown`;
        this.#set(held, { status: 'exited', exitCode, error: message });
        this.#settle(held, { exitCode });
        reject(new EngineError('bad-request', message));
      });
    });
    held.process = child;
    this.#set(held, { status: 'running', pid: child.pid ?? 0, startedAt: new Date().toISOString() });
    this.#tell(held.container, 'start');
    for (const data of held.pending.splice(0)) child.stdin.write(data);
    if (held.inputEnded || !config.OpenStdin) child.stdin.end();
    const take = (stream: OutputStream) => (data: Buffer) => {
      for (const queue of held.attached) queue.push({ stream, data });
      const line = { stream, timestamp: new Date().toISOString(), data };
      held.log.push(line);
      for (const queue of held.followers) queue.push(line);
    };
    child.stdout.on('data', take('stdout'));
    child.stderr.on('data', take('stderr'));
    child.once('close', (code, signal) => {
      const exitCode = code ?? 128 + constants.signals[signal ?? 'SIGKILL'];
      held.process = undefined;
      this.#set(held, { status: 'exited', pid: 0, exitCode, finishedAt: new Date().toISOString() });
      for (const queue of [...held.attached, ...held.followers]) queue.end();
      this.#tell(held.container, 'die', { exitCode: String(exitCode) });
      this.#settle(held, { exitCode });
    });
  }

  async stop(ref: string, options: { readonly timeout?: number }): Promise<void> {
    const held = this.#find(ref);
    const child = held.process;
    if (child === undefined) throw new EngineError('not-modified', `${ref} does not run`);
    const ended = new Promise((resolve) => child.once('close', resolve));
    signalAll(child, 'SIGTERM');
    const timer = setTimeout(() => signalAll(child, 'SIGKILL'), (options.timeout ?? 10) * 1000);
    await ended;
    clearTimeout(timer);
  }

  async restart(ref: string, options: { readonly timeout?: number }): Promise<void> {
    if (this.#find(ref).process !== undefined) await this.stop(ref, options);
    await this.start(ref);
  }

  async kill(ref: string, signal: string): Promise<void> {
    const held = this.#find(ref);
    if (held.process === undefined) {
      throw new EngineError('conflict', `Cannot kill container: ${ref}: container is not running`);
    }
    signalAll(held.process, `SIG${signal.replace(/^SIG/, '')}` as NodeJS.Signals);
  }

  async connect(): Promise<void> {
    throw new Error('not part of this test');
  }

  async disconnect(): Promise<void> {
    throw new Error('not part of this test');
  }

  async remove(ref: string, options: { readonly force: boolean }): Promise<void> {
    const held = this.#find(ref);
    if (held.process !== undefined) {
      if (!options.force) {
        throw new EngineError(
          'conflict',
          `cannot remove container "/${held.container.name}": container is running`,
        );
      }
      await this.stop(ref, { timeout: 0 });
    }
    this.#drop(held);
  }

  async wait(ref: string, condition: WaitCondition, signal: AbortSignal) {
    const held = this.#find(ref);
    if (condition === 'not-running' && held.process === undefined) {
      return { result: Promise.resolve({ exitCode: held.container.state.exitCode }) };
    }
    const result = new Promise<WaitResult>((resolve, reject) => {
      held.waiters.push({ condition, settle: resolve });
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    return { result };
  }

  async attach(ref: string, streams: Parameters<Containers['attach']>[1]): Promise<Attachment> {
    await this.held;
    const held = this.#find(ref);
    const queue = createAsyncQueue<OutputChunk>();
    held.attached.add(queue);
    async function* output(): AsyncIterable<OutputChunk> {
      for await (const chunk of queue) if (streams[chunk.stream]) yield chunk;
    }
    return {
      output: output(),
      write: async (data) => {
        if (held.process === undefined) held.pending.push(Buffer.from(data));
        else held.process.stdin?.write(data);
      },
      endInput: () => {
        held.inputEnded = true;
        if (held.container.config.StdinOnce) held.process?.stdin?.end();
      },
      close: () => {
        held.attached.delete(queue);
        queue.end();
      },
    };
  }

  async logs(ref: string, options: LogOptions, signal: AbortSignal): Promise<AsyncIterable<LogLine>> {
    const held = this.#find(ref);
    const queue = createAsyncQueue<LogLine>();
    for (const line of held.log.slice(options.tail === undefined ? 0 : -options.tail || held.log.length)) {
      if (options[line.stream]) queue.push(line);
    }
    if (!options.follow || held.process === undefined) queue.end();
    else held.followers.add(queue);
    signal.addEventListener('abort', () => {
      held.followers.delete(queue);
      queue.end();
    });
    return queue;
  }

  async resize(_ref: string, size: { readonly rows: number; readonly columns: number }): Promise<void> {
    this.resized.push(size);
  }

  async get(ref: string): Promise<ContainerInfo> {
    return this.#find(ref).container;
  }

  async list(): Promise<readonly ContainerInfo[]> {
    return this.#held.map(({ container }) => container);
  }

  /** How many clients follow logs or are attached. */
  get listeners(): number {
    return this.#held.reduce((sum, held) => sum + held.followers.size + held.attached.size, 0);
  }

  /** Ends every process. */
  async close(): Promise<void> {
    for (const held of [...this.#held])
      if (held.process !== undefined) await this.remove(held.container.id, { force: true });
  }

  #find(ref: string): Held {
    const name = ref.replace(/^\//, '');
    const held = this.#held.find(({ container }) => container.name === name || container.id.startsWith(name));
    if (held === undefined) throw new EngineError('not-found', `No such container: ${ref}`);
    return held;
  }

  #set(held: Held, state: Partial<ContainerState>): void {
    held.container = { ...held.container, state: { ...held.container.state, ...state } };
  }

  #settle(held: Held, result: WaitResult): void {
    const { AutoRemove } = held.container.hostConfig;
    if (AutoRemove) this.#drop(held);
    for (const waiter of held.waiters.splice(0)) {
      if (waiter.condition !== 'removed' || AutoRemove) waiter.settle(result);
      else held.waiters.push(waiter);
    }
  }

  #drop(held: Held): void {
    this.#held = this.#held.filter((other) => other !== held);
    this.#tell(held.container, 'destroy');
  }

  #tell(container: ContainerInfo, action: string, more: Record<string, string> = {}): void {
    const attributes = {
      ...container.config.Labels,
      image: container.config.Image,
      name: container.name,
      ...more,
    };
    this.#events.publish({ type: 'container', action, id: container.id, attributes });
  }
}

/** The process and its children, which would hold its output open. */
function signalAll(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    // It has ended, and that has not been told yet.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
