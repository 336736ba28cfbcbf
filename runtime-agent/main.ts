import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';

/**
 * The program's entry: sets up the process, then loads the rest. A young generation that does not grow is collected
 * often: what pulls and attached clients have passed through is freed after a few megabytes instead of many. What has
 * been compiled, types stripped, is kept for the next start, which takes half the time. The cache is the agent's own: V8 throws away what the registry has compiled, whose flags are others.
 */
setFlagsFromString('--semi-space-growth-factor=1');
const cache = join(import.meta.dirname, '../node_modules/.cache/berth-agent');
enableCompileCache(cache);
// The process replaces itself once (mount-namespace.ts): then even this file is there compiled, and Node's compiler of
// TypeScript, which takes 35 MB, is never loaded.
process.env.NODE_COMPILE_CACHE ??= cache;

const { runCommandLine } = await import('./cli/run-command-line.ts');
const { flushOutput, tolerateClosedOutput } = await import('../lib/streams/program-output.ts');
tolerateClosedOutput();
const exitCode = await runCommandLine(process.argv.slice(2));
await flushOutput();
// Threads that wait for containers would keep the process alive.
process.exit(exitCode);
