import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { CgroupMoves } from '../../../lib/linux/cgroups/cgroups.ts';
import { EngineError, isEngineError } from '../../errors.ts';
import { readOciSpec } from '../../oci-runner/bundle.ts';
import type { OciHost } from '../../oci-runner/oci-host.ts';
import type { Container } from '../container.ts';
import type { ContainerIndex } from '../container-index.ts';
import type { ContainerInfo } from '../container-info.ts';
import type { Attachment } from '../containers.ts';
import { readAccounts } from '../run/bundle.ts';
import { runLinks } from '../run/links.ts';
import { execFileName } from './clear-execs.ts';
import { type ExecProcess, execProcess, startExecProcess } from './exec-process.ts';
import { ExecRecord, ExecRecords, noSuchExec } from './exec-records.ts';
import { attachToExec, failedExec } from './exec-streams.ts';
import type { Exec, ExecOutcome, ExecRequest, ExecRun, Execs, TerminalSize } from './execs.ts';

const CANNOT_RUN = 126;
const SIGKILL = 9;
/** Default maximum bytes of output that `run` keeps. */
const KEPT_OUTPUT = 4096;

export interface ExecDeps {
  readonly host: OciHost;
  readonly moves: CgroupMoves;
  readonly index: ContainerIndex;
  /** The runtime's state folder. */
  readonly runtimeRoot: string;
}

/** See Execs. A process with streams does not outlive the agent; a detached one does, like the container itself. */
export class AgentExecs implements Execs {
  readonly #deps: ExecDeps;
  readonly #records = new ExecRecords();
  readonly #ends = new Set<Promise<void>>();

  constructor(deps: ExecDeps) {
    this.#deps = deps;
  }

  async create(ref: string, request: ExecRequest): Promise<string> {
    const container = this.#deps.index.find(ref);
    requireRunning(container, ref);
    if (request.cmd.length === 0) throw new EngineError('bad-request', 'No exec command specified');
    const record = new ExecRecord(randomBytes(32).toString('hex'), container.id, request);
    this.#records.add(record);
    this.#deps.moves.expect();
    container.publish(`exec_create: ${commandText(record)}`, { execID: record.id });
    return record.id;
  }

  async start(
    id: string,
    options: { readonly size?: TerminalSize },
  ): Promise<{ readonly attachment: Promise<Attachment> }> {
    return { attachment: this.#startWithStreams(this.#claim(id, options.size)) };
  }

  async #startWithStreams(record: ExecRecord): Promise<Attachment> {
    const { attachStdin: stdin, attachStdout: stdout, attachStderr: stderr } = record.request;
    const started = await this.#launch(record, { stdin, stdout, stderr });
    if ('failure' in started) return failedExec(started.failure);
    return attachToExec(started.ends, started.ended);
  }

  async startDetached(id: string, options: { readonly size?: TerminalSize }): Promise<void> {
    const record = this.#claim(id, options.size);
    record.isDetached = !record.request.tty;
    const started = await this.#launch(record, { stdin: false, stdout: false, stderr: false });
    if ('failure' in started) throw new EngineError('bad-request', started.failure);
    // A terminal must be read, or its processes block.
    attachToExec(started.ends, started.ended).close();
  }

  async resize(id: string, size: TerminalSize): Promise<void> {
    const record = this.#find(id);
    record.size = size;
    if (record.state === 'created' || record.state === 'starting') return;
    if (record.state !== 'running') {
      throw new EngineError('conflict', `exec ${id} is not running: it has no terminal to resize`);
    }
    record.process?.resize(size);
  }

  hangUp(id: string): void {
    this.#records
      .all()
      .find((record) => record.id === id)
      ?.process?.hangUp();
  }

  async get(id: string): Promise<Exec> {
    return this.#find(id).view();
  }

  listIds(containerId: string): readonly string[] {
    return this.#records
      .all()
      .filter((record) => record.containerId === containerId && record.state !== 'ended')
      .map(({ id }) => id);
  }

  run(ref: string, command: ExecRun, signal: AbortSignal): Promise<ExecOutcome> {
    return runExec(
      this,
      (id, number) => this.#records.find(id).process?.signal(number),
      ref,
      command,
      signal,
    );
  }

  /** Ends all execs with streams, and resolves when they have ended. */
  async close(): Promise<void> {
    for (const record of this.#records.all()) if (!record.isDetached) record.process?.signal(SIGKILL);
    await Promise.all(this.#ends);
  }

  /** Execs of a container disappear when it is removed. */
  #find(id: string): ExecRecord {
    const record = this.#records.find(id);
    if (this.#deps.index.byId(record.containerId) === undefined) throw noSuchExec(id);
    return record;
  }

  #claim(id: string, size: TerminalSize | undefined): ExecRecord {
    const record = this.#find(id);
    if (record.state === 'ended')
      throw new EngineError('conflict', `Error: Exec command ${id} has already run`);
    if (record.state !== 'created') {
      throw new EngineError('conflict', `Error: Exec command ${id} is already running`);
    }
    requireRunning(this.#deps.index.find(record.containerId), record.containerId);
    record.state = 'starting';
    record.size ??= size ?? record.request.size;
    return record;
  }

  async #launch(
    record: ExecRecord,
    streams: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean },
  ) {
    const container = this.#deps.index.find(record.containerId);
    container.publish(`exec_start: ${commandText(record)}`, { execID: record.id });
    try {
      const process = this.#spawn(container, record, streams);
      record.process = process;
      const started = await process.started;
      if ('failure' in started) {
        await process.exit;
        return this.#fail(record, started.failure);
      }
      record.state = 'running';
      if (record.size !== undefined) process.resize(record.size);
      return { ends: started, ended: this.#follow(container, record, process) };
    } catch (error) {
      const failure = this.#fail(record, (error as Error).message);
      if (isEngineError(error)) return failure;
      throw error;
    }
  }

  #spawn(
    container: Container,
    record: ExecRecord,
    streams: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean },
  ): ExecProcess {
    const { host, index, runtimeRoot } = this.#deps;
    const { libc, runtime, capabilities } = host;
    const { id: containerId, info, paths } = container;
    this.#deps.moves.expect();
    // A turn of the thread pool takes longer than the read.
    const spec = readOciSpec(readFileSync(paths.spec, 'utf8'));
    const process = execProcess(info, record.request, {
      base: spec.process,
      accounts: readAccounts(libc, spec.root.path),
      capabilities,
      size: record.size,
      links: info.hostConfig.Links === undefined ? [] : linkVariables(index, info),
    });
    return startExecProcess({
      libc,
      runtime,
      runtimeRoot,
      containerId,
      folder: paths.bundle,
      name: execFileName(record.id, record.isDetached),
      process,
      streams,
    });
  }

  /** Settles when the end of the process is recorded. */
  #follow(container: Container, record: ExecRecord, process: ExecProcess): Promise<void> {
    const ended = process.exit.then((exitCode) => {
      record.state = 'ended';
      record.exitCode = exitCode;
      record.process = undefined;
      this.#ends.delete(ended);
      container.publish('exec_die', { execID: record.id, exitCode: String(exitCode) });
    });
    if (!record.isDetached) this.#ends.add(ended);
    return ended;
  }

  #fail(record: ExecRecord, failure: string): { readonly failure: string } {
    record.state = 'ended';
    record.exitCode = CANNOT_RUN;
    record.failure = failure;
    return { failure };
  }
}

/** A linked container may have ended meanwhile. */
function linkVariables(index: ContainerIndex, info: ContainerInfo): readonly string[] {
  try {
    return runLinks(index, info).environment;
  } catch (error) {
    if (isEngineError(error)) return [];
    throw error;
  }
}

/** Formats a command like dockerd, which leaves a trailing space if there are no arguments. */
function commandText({ request }: ExecRecord): string {
  const [path = '', ...args] = request.cmd;
  return `${path} ${args.join(' ')}`;
}

/** Throws EngineError 'conflict'. */
function requireRunning({ id, info, run }: Container, ref: string): void {
  const { status } = info.state;
  if (status === 'paused') {
    throw new EngineError('conflict', `Container ${ref} is paused, unpause the container before exec`);
  }
  if (status === 'restarting') {
    throw new EngineError('conflict', `Container ${ref} is restarting, wait until the container is running`);
  }
  if (run === undefined) throw new EngineError('conflict', `container ${id} is not running`);
}

/** See Execs.run. `kill` sends a signal to the process of an exec, if it has one. */
async function runExec(
  execs: Execs,
  kill: (id: string, signal: number) => void,
  ref: string,
  command: ExecRun,
  signal: AbortSignal,
): Promise<ExecOutcome> {
  signal.throwIfAborted();
  const id = await execs.create(ref, {
    cmd: command.cmd,
    user: command.user ?? '',
    env: command.env ?? [],
    workingDir: command.workingDir ?? '',
    tty: false,
    privileged: false,
    attachStdin: false,
    attachStdout: true,
    attachStderr: true,
    detachKeys: '',
  });
  const attachment = await (await execs.start(id, {})).attachment;
  const over =
    command.timeout === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(command.timeout)]);
  const chunks: Buffer[] = [];
  let room = command.maxOutput ?? KEPT_OUTPUT;
  const stop = () => {
    attachment.close();
    kill(id, SIGKILL);
  };
  over.addEventListener('abort', stop, { once: true });
  if (over.aborted) stop();
  try {
    for await (const { data } of attachment.output) {
      if (room > 0) chunks.push(Buffer.from(data.subarray(0, room)));
      room -= data.length;
    }
  } finally {
    over.removeEventListener('abort', stop);
  }
  signal.throwIfAborted();
  const { exitCode } = await execs.get(id);
  const output = Buffer.concat(chunks).toString('utf8');
  return { exitCode: exitCode ?? 128 + SIGKILL, output, timedOut: exitCode === undefined };
}
