import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LineJoiner, parseLogEntry } from '../../../../../runtime-agent/containers/logs/read-log.ts';

const entry = (text: string) => {
  const parsed = parseLogEntry(Buffer.from(text));
  assert.ok(parsed !== undefined, text);
  return parsed;
};

describe('parseLogEntry', () => {
  it('reads an entry, and turns its time to UTC without losing digits', () => {
    const parsed = entry('2026-11-24T08:35:56.312458125+02:00 stderr P a b  c');
    assert.deepEqual(
      { ...parsed, text: parsed.text.toString() },
      {
        stream: 'stderr',
        timestamp: '2026-11-24T06:35:56.312458125Z',
        time: Date.parse('2026-11-24T06:35:56Z') + 312.458125,
        complete: false,
        text: 'a b  c',
      },
    );
    assert.equal(entry('2026-11-24T06:35:56.5Z stdout F ').text.length, 0);
    assert.equal(entry('2026-11-24T06:35:56.5Z stdout F x').timestamp, '2026-11-24T06:35:56.500000000Z');
  });

  it('keeps bytes that are no text', () => {
    const bytes = Buffer.concat([
      Buffer.from('2026-11-24T06:35:56.5Z stdout F '),
      Buffer.from([0xff, 0, 0x80]),
    ]);
    assert.deepEqual([...(parseLogEntry(bytes)?.text ?? [])], [0xff, 0, 0x80]);
  });

  it('takes nothing else for an entry', () => {
    for (const text of [
      '',
      'x',
      'a b c d',
      '2026-11-24T06:35:56.5Z stdout X x',
      '2026-11-24 stdout F x',
      '\0'.repeat(100),
    ]) {
      assert.equal(parseLogEntry(Buffer.from(text)), undefined, text);
    }
  });
});

describe('LineJoiner', () => {
  const at = (tag: string, text: string, stream = 'stdout', second = 10) =>
    entry(`2026-11-24T06:35:${second}.5Z ${stream} ${tag} ${text}`);

  it('joins the parts of each stream by themselves', () => {
    const joiner = new LineJoiner();
    assert.equal(joiner.add(at('P', 'out ', 'stdout', 10)), undefined);
    assert.equal(joiner.add(at('P', 'err ', 'stderr', 11)), undefined);
    const out = joiner.add(at('F', 'end', 'stdout', 12));
    assert.deepEqual(
      [out?.line.stream, String(out?.line.data), out?.line.timestamp],
      ['stdout', 'out end\n', '2026-11-24T06:35:10.500000000Z'],
    );
    assert.deepEqual(
      joiner.rest().map(({ line }) => [line.stream, String(line.data)]),
      [['stderr', 'err ']],
    );
    assert.deepEqual(joiner.rest(), []);
  });

  it('hands on a line in parts before it fills memory', () => {
    const joiner = new LineJoiner();
    const part = 'x'.repeat(8192);
    let handed = 0;
    for (let count = 0; count < 256; count += 1) handed += joiner.add(at('P', part))?.line.data.length ?? 0;
    assert.equal(handed, 256 * 8192);
  });
});
