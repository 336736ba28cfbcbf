import { REGISTRY_CACHE } from './compile-cache.ts';
import { REGISTRY_PROGRAM, REGISTRY_SOURCES } from './programs.ts';
import { type CommandResult, runCommand } from './run-command.ts';

/** Runs `berth` in an environment with `env`; otherwise as runBerth. */
export function runBerthIn(
  env: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<CommandResult> {
  const program = env.NODE_OPTIONS === undefined ? REGISTRY_PROGRAM : REGISTRY_SOURCES;
  return runCommand(process.execPath, [program, ...args], {
    env: { ...REGISTRY_CACHE, ...env },
    expectExit: 'any',
  });
}

/** Runs `berth` with these arguments to its end, whatever its exit code. */
export function runBerth(...args: readonly string[]): Promise<CommandResult> {
  return runBerthIn({}, ...args);
}
