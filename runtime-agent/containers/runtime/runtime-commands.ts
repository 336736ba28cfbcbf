import { EngineError } from '../../errors.ts';
import { runProcess } from '../../linux/run-process.ts';
import type { Runtime } from './runtime.ts';

const TIMEOUT = 60_000;

/** The subcommands of an OCI runtime (runtime-spec, runtime.md, "Operations") that conmon does not call itself. */
export class RuntimeCommands {
  readonly #runtime: Runtime;
  readonly #root: string;

  /** `root` is where the runtime keeps its state. */
  constructor(runtime: Runtime, root: string) {
    this.#runtime = runtime;
    this.#root = root;
  }

  /** Lets a created container's process run. Throws EngineError 'runtime'. */
  async start(id: string): Promise<void> {
    await this.#run(['start', id]);
  }

  /** Removes the state and cgroups of a container; `force` kills it first, and is content when there is none. */
  async delete(id: string, force: boolean): Promise<void> {
    await this.#run(['delete', ...(force ? ['--force'] : []), id]);
  }

  async #run(args: readonly string[]): Promise<void> {
    const { path, name } = this.#runtime;
    const ran = await runProcess(path, ['--root', this.#root, ...args], { timeout: TIMEOUT });
    if (ran.exitCode === 0) return;
    const reason = ran.timedOut ? `no answer within ${TIMEOUT / 1000} seconds` : ran.stderr.trim();
    throw new EngineError('runtime', `${name} ${args[0]} failed: ${reason.slice(0, 2000)}`);
  }
}
