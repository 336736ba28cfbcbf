import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';

/**
 * The program's entry point: sets up the process, then loads the rest. A heap that may grow by less than half between
 * two collections, with a young generation of fixed size, needs half the memory under load: little of it is in use, so
 * collections are cheap. Compiled code, with types stripped, is cached for the next start, which takes half the time
 * and a quarter less memory. Node's thread pool has not started yet: more threads than processors let many small pushes
 * wait for the disk concurrently.
 */
process.env.UV_THREADPOOL_SIZE ??= '8';
hidePasswords();
const root = join(import.meta.dirname, '..');
setFlagsFromString('--semi-space-growth-factor=1');
setFlagsFromString('--heap-growing-percent=40');
enableCompileCache(join(root, 'node_modules/.cache/berth'));

const { runCommandLine } = await import('./cli/command-line.ts');
const { flushOutput, tolerateClosedOutput } = await import('../lib/streams/program-output.ts');
tolerateClosedOutput();
const exitCode = await runCommandLine(process.argv.slice(2));
await flushOutput();
process.exit(exitCode);

/** Hides passwords in URLs, since everybody on the machine can read a command line. */
function hidePasswords(): void {
  const shown = process.argv.slice(2).map((word) => word.replace(/(:\/\/[^:/@\s]*:)\S*@/, '$1…@'));
  if (shown.some((word, index) => word !== process.argv[index + 2]))
    process.title = `berth ${shown.join(' ')}`;
}
