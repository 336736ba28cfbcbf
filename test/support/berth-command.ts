import { join } from 'node:path';
import { REGISTRY_CACHE } from './compile-cache.ts';
import { type CommandResult, runCommand } from './run-command.ts';

const MAIN = join(import.meta.dirname, '../../server/main.ts');

/** Runs `berth` in an environment with `env`; otherwise as runBerth. */
export function runBerthIn(
  env: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<CommandResult> {
  return runCommand(process.execPath, [MAIN, ...args], {
    env: { ...REGISTRY_CACHE, ...env },
    expectExit: 'any',
  });
}

/** Runs `berth` with these arguments to its end, whatever its exit code. */
export function runBerth(...args: readonly string[]): Promise<CommandResult> {
  return runBerthIn({}, ...args);
}
