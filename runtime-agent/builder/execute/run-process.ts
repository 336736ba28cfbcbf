import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { destroyCgroup } from '../../../lib/linux/cgroups/cgroups.ts';
import { cgroupPath } from '../../containers/plan/resources.ts';
import { EngineError } from '../../errors.ts';
import { RUNTIME_ENVIRONMENT } from '../../oci-runner/runtime-commands.ts';
import { readCreateFailure } from '../../oci-runner/runtime-error.ts';
import type { RunContext } from './run-context.ts';

export type StepOutput = (stream: 'stdout' | 'stderr', data: Uint8Array) => void;

/**
 * Runs a bundle to its end, kills all its remaining processes, and returns the exit code. An abort kills it at once.
 * Throws EngineError 'bad-request' for a command that does not exist or cannot be run, and the signal's reason.
 */
export async function runStepProcess(
  context: RunContext,
  id: string,
  bundle: string,
  output: StepOutput,
  signal: AbortSignal,
): Promise<number> {
  signal.throwIfAborted();
  const { host, paths } = context;
  const log = join(bundle, 'runtime.log');
  // A runtime that outlived the agent would remove files of its successor.
  const command = [
    host.runtime.path,
    '--root',
    paths.runtimeRoot,
    '--log',
    log,
    'run',
    '--bundle',
    bundle,
    id,
  ];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: RUNTIME_ENVIRONMENT,
    cwd: bundle,
  });
  child.stdout.on('data', (data: Buffer) => output('stdout', data));
  child.stderr.on('data', (data: Buffer) => output('stderr', data));
  let killing: Promise<void> | undefined;
  const kill = () => {
    killing ??= killStep(context, id).finally(() => child.kill('SIGKILL'));
  };
  signal.addEventListener('abort', kill, { once: true });
  try {
    const exitCode = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, endedBy) => resolve(code ?? (endedBy === null ? 255 : 137)));
    });
    await killing;
    signal.throwIfAborted();
    if (exitCode !== 0) await throwCreateFailure(host.runtime.name, log);
    return exitCode;
  } finally {
    signal.removeEventListener('abort', kill);
    await killStep(context, id);
  }
}

async function killStep(context: RunContext, id: string): Promise<void> {
  try {
    // The runtime cleans up when the process ends, unless the runtime itself was killed.
    if (existsSync(join(context.paths.runtimeRoot, id))) await context.commands.delete(id, true);
    await destroyCgroup(context.host.cgroups, cgroupPath(id));
  } catch (error) {
    context.log.error({ step: id, err: error }, 'the files of a build step could not be removed');
  }
}

/** Throws the reason from the runtime's log, which has content only if the process could not be started. */
async function throwCreateFailure(runtime: string, log: string): Promise<void> {
  const text = await readFile(log, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  if (text.trim() === '') return;
  throw new EngineError('bad-request', readCreateFailure(runtime, text).message);
}
