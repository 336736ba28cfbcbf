import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { runCommand } from '../../../support/run-command.ts';

const MODULE = join(import.meta.dirname, '../../../../lib/streams/program-output.ts');
const BYTES = 1_000_000;

/** Runs a program that writes much and ends; `reader` reads that. */
async function pipe(reader: string) {
  const program = `
    import { flushOutput, tolerateClosedOutput, writeOutput } from '${MODULE}';
    tolerateClosedOutput();
    await writeOutput(process.stdout, 'x'.repeat(${BYTES}));
    process.stdout.write('x'.repeat(${BYTES}));
    await flushOutput();
    process.exit(0);`;
  const line = `{ "$1" --input-type=module -e "$2"; echo $? >&2; } | ${reader}`;
  return runCommand('sh', ['-c', line, 'sh', process.execPath, program]);
}

test('a reader that is slow gets all of the output', async () => {
  const { stdout, stderr } = await pipe('{ sleep 0.5; wc -c; }');
  assert.deepEqual([stdout.trim(), stderr], [String(2 * BYTES), '0\n']);
});

test('a reader that has seen enough is no failure', async () => {
  const { stdout, stderr } = await pipe('head -c 1');
  assert.deepEqual([stdout, stderr], ['x', '0\n']);
});
