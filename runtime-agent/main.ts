import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';

/**
 * The program's entry point: sets up the process, then loads the rest. A young generation of fixed size is collected
 * often: garbage of pulls and attached clients is freed after a few megabytes instead of many. Compiled code, with
 * types stripped, is cached for the next start, which takes half the time. The cache is the agent's own: V8 rejects
 * code that the registry has compiled, with other flags.
 */
setFlagsFromString('--semi-space-growth-factor=1');
const cache = join(import.meta.dirname, '../node_modules/.cache/berth-agent');
enableCompileCache(cache);
// The process re-executes itself once (mount-namespace.ts): then even this file is in the cache, and Node's TypeScript
// compiler, which takes 35 MB, is never loaded.
process.env.NODE_COMPILE_CACHE ??= cache;

const { runCommandLine } = await import('./cli/run-command-line.ts');
const { flushOutput, tolerateClosedOutput } = await import('../lib/streams/program-output.ts');
tolerateClosedOutput();
const exitCode = await runCommandLine(process.argv.slice(2));
await flushOutput();
// Threads that wait for containers would keep the process alive.
process.exit(exitCode);
