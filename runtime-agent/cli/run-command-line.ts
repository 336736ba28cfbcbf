import { readVersion } from '../../lib/files/version.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { untilSignalled } from '../shutdown.ts';
import { readCommandLine } from './command-line.ts';
import { HELP } from './help.ts';

/** Runs the command and returns the exit code: 0, 2 for problems that the operator must solve, 1 for other failures. */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  const interrupted = untilSignalled();
  try {
    const command = readCommandLine(args, process.env);
    if (command.kind === 'help') process.stdout.write(HELP);
    else if (command.kind === 'version') process.stdout.write(`berth-agent ${await readVersion()}\n`);
    else if (command.kind === 'completion') {
      const { completionScript } = await import('../../lib/terminal/completion.ts');
      process.stdout.write(
        completionScript(command.shell, { program: 'berth-agent', help: HELP, commands: {} }),
      );
    } else if (command.kind === 'doctor') {
      const { doctor } = await import('./doctor.ts');
      return await doctor(command.config, { format: command.format }, interrupted);
    } else if (command.kind === 'support-bundle') {
      const { writeSupportBundle } = await import('./support-bundle.ts');
      process.stdout.write(`${await writeSupportBundle(command, process.env)}\n`);
    } else if (command.kind === 'reset') {
      const { reset } = await import('./reset/reset.ts');
      await reset(command);
    } else if (command.kind === 'join' || command.kind === 'leave') {
      const { runFleetCommand } = await import('./fleet-command.ts');
      process.stdout.write(`${await runFleetCommand(command, interrupted)}\n`);
    } else {
      const { serve } = await import('./serve.ts');
      await serve(command.config, interrupted);
    }
    return 0;
  } catch (error) {
    if (interrupted.aborted) return 0;
    if (error instanceof ConfigError) {
      process.stderr.write(`berth-agent: ${error.message}\n`);
      return 2;
    }
    process.stderr.write(`berth-agent cannot go on: ${(error as Error).stack ?? String(error)}\n`);
    return 1;
  }
}
