import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatJoinToken, parseJoinToken } from '../../../fleet/join-token.ts';

const secret = Buffer.alloc(32, 7);
const authority = Buffer.alloc(32, 9);

test('a join token is read as it was written', () => {
  const plain = formatJoinToken(secret);
  assert.deepEqual(parseJoinToken(plain), { secret: plain });
  assert.deepEqual(parseJoinToken(formatJoinToken(secret, authority)), { secret: plain, authority });
});

test('what is no join token is told apart', () => {
  const text = formatJoinToken(secret, authority);
  for (const wrong of ['', 'bjt_', text.slice(1), `${text}.x`, `${text}A`, text.slice(0, -1), 'bpt_x']) {
    assert.equal(parseJoinToken(wrong), undefined, wrong);
  }
});
