import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DigestNotes } from '../../../../../runtime-agent/builder/context/digest-notes.ts';

test('a digest holds as long as nothing in its places has changed', () => {
  const notes = new DigestNotes();
  notes.note('src', { digest: 'S', within: ['src'] });
  notes.note('lib and a file', { digest: 'L', within: ['lib/deep', 'file'] });
  notes.note('wildcard', { digest: 'W', within: undefined });
  notes.note('all', { digest: 'A', within: [''] });
  const left = (changed: readonly string[]) => {
    const after = notes.after(changed);
    return ['src', 'lib and a file', 'wildcard', 'all'].filter(
      (question) => after.find(question) !== undefined,
    );
  };
  assert.deepEqual(left(['src/main.c']), ['lib and a file']);
  assert.deepEqual(left(['src']), ['lib and a file']);
  assert.deepEqual(left(['srcs', 'files']), ['src', 'lib and a file']);
  assert.deepEqual(left(['lib']), ['src'], 'the folder above may be a link now');
  assert.deepEqual(left(['file']), ['src']);
  assert.equal(notes.find('wildcard'), 'W');
});
