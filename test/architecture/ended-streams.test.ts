import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const root = dirname(dirname(import.meta.dirname));
/** Listens for `end` in a way that misses an end that has been. */
const LISTENS = /\.(?:on|once|addListener)\(\s*'end'|\bonce\([^()]*,\s*'end'/;

test("the agent listens for a stream's end by whenEnded alone, which sees one that has been", () => {
  const offences = globSync('runtime-agent/**/*.ts', { cwd: root }).filter((file) =>
    LISTENS.test(readFileSync(join(root, file), 'utf8')),
  );
  assert.deepEqual(offences, []);
});

for (const text of ["socket.once('end', go)", "x.on('end', go)", "await once(socket, 'end')"]) {
  test(`seen: ${text}`, () => assert.match(text, LISTENS));
}
