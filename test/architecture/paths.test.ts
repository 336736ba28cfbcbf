import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const root = dirname(dirname(import.meta.dirname));

/** A call that takes a path, with a text in it that was decoded from the bytes of a stranger's path. */
const DECODED_PATH =
  /(?<![.\w])(?:join|resolve|readPieces|(?:open|readFile|readlink|readdir|writeFile|lstat|stat|mkdir|rm|rmdir|unlink|rename|chmod|chown|lchown|symlink|link|copyFile|cp|mount)(?:Sync)?)\((?:[^()]|\([^()]*\))*?(?:shownPath\(|\butf8\(|\.toString\('utf8'\))/s;

test('no path that was decoded for a message is used as a path', () => {
  const files = globSync('runtime-agent/**/*.ts', { cwd: root });
  assert.ok(files.length > 100);
  const offences = files.filter((file) => DECODED_PATH.test(readFileSync(join(root, file), 'utf8')));
  assert.deepEqual(offences, [], 'paths of strangers are bytes: open them, see linux/held-path.ts');
});

for (const text of [
  "return join(opened.path, Buffer.from(resolved.path, 'latin1').toString('utf8'));",
  'return readPieces(join(this.#root, shownPath(file.path)), file.size);',
  'await open(shownPath(path));',
]) {
  test(`forbidden: ${text}`, () => assert.match(text, DECODED_PATH));
}
