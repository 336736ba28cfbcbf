import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { runProcess } from '../../lib/linux/process/run-process.ts';
import { spawnLight } from '../../lib/linux/process/spawn-light.ts';
import { spawnPiped } from '../../lib/linux/process/spawn-piped.ts';
import { EngineError } from '../errors.ts';
import type { OciResources } from './bundle.ts';
import type { Runtime } from './runtimes.ts';

const TIMEOUT = 60_000;

/** Environment of runtimes; the agent's own is not passed on. */
export const RUNTIME_ENVIRONMENT = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };

/** The subcommands of an OCI runtime (runtime-spec, runtime.md, "Operations") that conmon does not call itself. */
export class RuntimeCommands {
  readonly #runtime: Runtime;
  readonly #root: string;

  /** `root` is the runtime's state folder. */
  constructor(runtime: Runtime, root: string) {
    this.#runtime = runtime;
    this.#root = root;
  }

  /** Starts the process of a created container. Throws EngineError 'runtime'. */
  async start(id: string): Promise<void> {
    await this.#run(['start', id]);
  }

  /** Removes the state and cgroups of a container; `force` kills it first, and ignores an unknown one. */
  async delete(id: string, force: boolean): Promise<void> {
    await this.#run(['delete', ...(force ? ['--force'] : []), id]);
  }

  /** Pauses all processes of a running container. Throws EngineError 'runtime'. */
  async pause(id: string): Promise<void> {
    await this.#run(['pause', id]);
  }

  /** Resumes all processes. Throws EngineError 'runtime'. */
  async resume(id: string): Promise<void> {
    await this.#run(['resume', id]);
  }

  /** Sets limits of a running container. Throws EngineError 'runtime'. */
  async update(id: string, resources: Omit<OciResources, 'devices'>): Promise<void> {
    const { program, name } = this.#runtime;
    const args = ['--root', this.#root, 'update', '--resources', '/proc/self/fd/4', id];
    const streams = { stdin: false, stdout: false, stderr: true };
    const input = JSON.stringify(resources);
    const child = spawnPiped(program, args, { env: RUNTIME_ENVIRONMENT, name, ...streams, input });
    const [exitCode, stderr] = await Promise.all([child.exit, text(child.stderr as Readable)]);
    if (exitCode === 0) return;
    throw new EngineError('runtime', `${name} update failed: ${stderr.trim().slice(0, 2000)}`);
  }

  /** Returns `created`, `running`, `paused` or `stopped`; undefined if the runtime does not know the container. */
  async status(id: string): Promise<string | undefined> {
    const ran = await runProcess(this.#runtime.program, ['--root', this.#root, 'state', id], {
      env: RUNTIME_ENVIRONMENT,
      timeout: TIMEOUT,
    });
    if (ran.exitCode !== 0) return undefined;
    return (JSON.parse(ran.stdout) as { status?: string }).status;
  }

  async #run(args: readonly string[]): Promise<void> {
    const { program, name } = this.#runtime;
    const child = spawnLight(program, ['--root', this.#root, ...args], { env: RUNTIME_ENVIRONMENT, name });
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      process.kill(child.pid, 'SIGKILL');
    }, TIMEOUT);
    const [exitCode, stderr] = await Promise.all([child.exit, text(child.stderr)]);
    clearTimeout(timer);
    if (exitCode === 0) return;
    const reason = isLate ? `no answer within ${TIMEOUT / 1000} seconds` : stderr.trim();
    throw new EngineError('runtime', `${name} ${args[0]} failed: ${reason.slice(0, 2000)}`);
  }
}
