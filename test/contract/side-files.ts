import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SideFiles } from '../../storage/blobs/side-files.ts';
import type { CleanupScope } from '../support/cleanup.ts';

async function* pieces(...texts: readonly string[]): AsyncGenerator<string, void, undefined> {
  yield* texts;
}

async function* cutOff(text: string): AsyncGenerator<string, void, undefined> {
  yield text;
  throw new Error('cut off');
}

/** What all SideFiles promise; `open` opens empty ones. */
export function describeSideFiles(name: string, open: (t: CleanupScope) => Promise<SideFiles>): void {
  test(`${name} keeps side files wholly or not at all`, async (t) => {
    const files = await open(t);
    assert.deepEqual(await files.list('notes'), []);
    await files.write('notes', 'one', pieces('a', 'ä\n'));
    await files.write('notes', 'empty', pieces());
    await files.write('other', 'two', pieces('b'));
    assert.deepEqual([...(await files.list('notes'))].sort(), ['empty', 'one']);
    assert.equal(await files.read('notes', 'one'), 'aä\n');
    assert.equal(await files.read('notes', 'empty'), '');
    // More than one part on S3.
    const large = ['x', 'y', 'z'].map((letter) => letter.repeat(6 * 1024 * 1024));
    await files.write('notes', 'large', pieces(...large));
    assert.ok((await files.read('notes', 'large')) === large.join(''));
    for (const size of [1, 17 * 1024 * 1024]) {
      await assert.rejects(files.write('notes', 'half', cutOff('h'.repeat(size))), /cut off/);
    }
    await assert.rejects(files.read('notes', 'half'));
    await files.remove('notes', 'one');
    await files.remove('notes', 'one');
    assert.deepEqual([...(await files.list('notes'))].sort(), ['empty', 'large']);
  });
}
