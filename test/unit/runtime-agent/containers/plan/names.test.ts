import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inventName, parseContainerName } from '../../../../../runtime-agent/containers/plan/names.ts';

describe('container names', () => {
  it('are taken with or without a slash', () => {
    assert.equal(parseContainerName('/web-1'), 'web-1');
    assert.equal(parseContainerName('A_b.c-9'), 'A_b.c-9');
  });

  it('are refused when they are not of the grammar', () => {
    for (const name of ['', '/', 'a', '-ab', 'a b', 'ä1', 'a/b', '//ab', '../x', `a${'b'.repeat(255)}`]) {
      assert.throws(
        () => parseContainerName(name),
        { code: 'bad-request', message: /Invalid container name/ },
        name,
      );
    }
  });

  it('are invented, and always free', () => {
    const taken = new Set<string>();
    for (let count = 0; count < 8000; count += 1) {
      const name = inventName((candidate) => taken.has(candidate));
      assert.equal(parseContainerName(name), name);
      assert.ok(!taken.has(name));
      taken.add(name);
    }
  });
});
