// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the variables of Dockerfiles.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { expandWord, expandWords } from '../../../../runtime-agent/builder/frontend/expand.ts';
import { WordError } from '../../../../runtime-agent/builder/frontend/expansion-budget.ts';

const VARIABLES: Readonly<Record<string, string>> = {
  A: 'foo.tar.gz',
  EMPTY: '',
  P: 'a/b/c',
  SPACES: 'x  y',
};
const lookup = (name: string) => VARIABLES[name];
const expand = (text: string, escapeToken: '\\' | '`' = '\\') => expandWord(text, { escapeToken, lookup });

describe('variables in a word', () => {
  for (const [text, expected] of [
    ['$A', 'foo.tar.gz'],
    ['${A}x', 'foo.tar.gzx'],
    ['$NONE', ''],
    ['a$', 'a$'],
    ['$ x', '$ x'],
    ['$1', ''],
    ['${NONE:-d}', 'd'],
    ['${EMPTY:-d}', 'd'],
    ['${EMPTY-d}', ''],
    ['${A:+s}', 's'],
    ['${EMPTY:+s}', ''],
    ['${EMPTY+s}', 's'],
    ['${NONE:-${A}}', 'foo.tar.gz'],
    ['${NONE:-"q $A"}', 'q foo.tar.gz'],
    ['${A#*.}', 'tar.gz'],
    ['${A##*.}', 'gz'],
    ['${A%.*}', 'foo.tar'],
    ['${A%%.*}', 'foo'],
    ['${P#?/}', 'b/c'],
    ['${P%nothing}', 'a/b/c'],
    ['${A/foo/bar}', 'bar.tar.gz'],
    ['${A//o/0}', 'f00.tar.gz'],
    ['${A/o}', 'fo.tar.gz'],
    ['${P//\\//-}', 'a-b-c'],
    ['"$A x"', 'foo.tar.gz x'],
    ["'$A'", '$A'],
    ['\\$A', '$A'],
    ['"\\$A \\n"', '$A \\n'],
    ['a\\ b', 'a b'],
    ["it''s", 'its'],
  ] as const) {
    test(`${text} is ${JSON.stringify(expected)}`, () => assert.equal(expand(text), expected));
  }

  test('a backtick escapes where the Dockerfile says so', () => {
    assert.equal(expand('`$A c:\\d', '`'), '$A c:\\d');
  });

  for (const text of ['${A', '${A', '"open', "'open", '${}', '${A^x}', '${NONE:?must be set}']) {
    test(`${text} is refused`, () => assert.throws(() => expand(text), WordError));
  }

  test('words end at white space that is not quoted, also where a variable brought it', () => {
    const words = expandWords('a "b c" $SPACES "$SPACES" \\ d', { escapeToken: '\\', lookup });
    assert.deepEqual(words, ['a', 'b c', 'x', 'y', 'x  y', ' d']);
  });

  test('a document keeps its quotes', () => {
    const text = 'it\'s "$A" \\n \\$A\n';
    assert.equal(
      expandWord(text, { escapeToken: '\\', lookup, isDocument: true }),
      'it\'s "foo.tar.gz" \\n $A\n',
    );
  });
});
