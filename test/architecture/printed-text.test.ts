import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const root = dirname(dirname(import.meta.dirname));

/** Files that write no text of others, or escape it themselves. */
const WRITERS = [
  // JSON, or a table of escaped cells.
  'server/cli/audit.ts',
  // Help and version.
  'server/cli/command-line.ts',
  // Lines of instances, as docker logs prints them.
  'server/cli/fleet/logs.ts',
  'server/cli/printable.ts',
  // Addresses that it listens on.
  'server/cli/serve.ts',
];

test('commands print names of others without what terminals take for commands', () => {
  const found = globSync('server/cli/**/*.ts', { cwd: root }).filter((file) =>
    /process\.(stdout|stderr)\.write\(|writeOutput\(|console\./.test(readFileSync(join(root, file), 'utf8')),
  );
  assert.deepEqual(found.sort(), WRITERS);
});
