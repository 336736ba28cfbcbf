import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseDetachKeys } from '../../../../runtime-agent/engine-api/http/query.ts';
import { DetachScanner } from '../../../../runtime-agent/engine-api/streams/relay-attachment.ts';

describe('detach keys', () => {
  it('are read as clients write them', () => {
    assert.deepEqual(parseDetachKeys(''), [16, 17]);
    assert.deepEqual(parseDetachKeys('ctrl-p,ctrl-q'), [16, 17]);
    assert.deepEqual(parseDetachKeys('a,ctrl-@,ctrl-[,ctrl-_'), [97, 0, 27, 31]);
    assert.deepEqual(parseDetachKeys('CTRL-A'), [1]);
    for (const wrong of ['ctrl-', 'ctrl-1', 'ab', 'a,', 'é', 'ctrl-p ctrl-q']) {
      assert.throws(() => parseDetachKeys(wrong), {
        code: 'bad-request',
        message: `Invalid detach keys (${wrong}) provided`,
      });
    }
  });

  const type = (keys: readonly number[], ...pieces: readonly string[]) => {
    const scanner = new DetachScanner(keys);
    let text = '';
    for (const piece of pieces) {
      const { data, detached } = scanner.scan(Buffer.from(piece));
      text += Buffer.from(data).toString();
      if (detached) return `${text}!`;
    }
    return text;
  };

  it('are found across pieces, and what is no detaching goes on', () => {
    assert.equal(type([16, 17], 'ls\x10\x11more'), 'ls!');
    assert.equal(type([16, 17], 'ls\x10', '\x11'), 'ls!');
    assert.equal(type([16, 17], '\x10', 'x', '\x10\x10', '\x11'), '\x10x\x10!');
    assert.equal(type([16, 17], 'no keys', ' here'), 'no keys here');
    assert.equal(type([97], 'ba'), 'b!');
    assert.equal(type([97, 97, 98], 'aaab'), 'a!');
  });
});
