import { readCommandLine } from './cli/command-line.ts';
import { HELP } from './cli/help.ts';
import { serve } from './cli/serve.ts';
import { readVersion } from './cli/version.ts';
import { ConfigError } from './config.ts';

/** Runs the command and answers the exit code: 0, 2 for what the operator must change, 1 for other failures. */
async function main(): Promise<number> {
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort());
  try {
    const command = readCommandLine(process.argv.slice(2), process.env);
    if (command.kind === 'help') process.stdout.write(HELP);
    else if (command.kind === 'version') process.stdout.write(`berth-agent ${await readVersion()}\n`);
    else await serve(command.config, interrupted.signal);
    return 0;
  } catch (error) {
    if (interrupted.signal.aborted) return 0;
    if (error instanceof ConfigError) {
      process.stderr.write(`berth-agent: ${error.message}\n`);
      return 2;
    }
    process.stderr.write(`berth-agent cannot go on: ${(error as Error).stack ?? String(error)}\n`);
    return 1;
  }
}

// Threads of the C library that wait for containers would keep the process alive.
process.exit(await main());
