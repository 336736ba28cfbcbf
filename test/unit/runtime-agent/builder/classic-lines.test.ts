import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { BuildProgress } from '../../../../runtime-agent/builder/builder.ts';
import { type ClassicLine, ClassicLines } from '../../../../runtime-agent/builder/classic/classic-lines.ts';

const MEBIBYTE = 1 << 20;
const at = new Date(0);

function planned(id: string, number: number): BuildProgress {
  return {
    kind: 'planned',
    id,
    name: id,
    inputs: [],
    instruction: { number, count: 9, text: `RUN ${id}` },
  };
}

function begin(count: number) {
  const lines: ClassicLine[] = [];
  const classic = new ClassicLines((line) => lines.push(line));
  for (let number = 1; number <= count; number += 1) classic.take(planned(`s${number}`, number));
  const log = (id: string, text: string) =>
    classic.take({ kind: 'log', id, stream: 'stdout', data: Buffer.from(text) });
  const shown = () => lines.map((line) => ('stream' in line ? line.stream : '')).join('');
  return { classic, log, shown };
}

describe('what steps say before their turn', () => {
  test('is shown when it comes', () => {
    const { classic, log, shown } = begin(2);
    log('s2', 'later\n');
    log('s1', 'first\n');
    classic.take({ kind: 'completed', id: 's1', at });
    classic.take({ kind: 'completed', id: 's2', at, layer: 'abc' });
    assert.equal(shown(), 'Step 1/9 : RUN s1\nfirst\n --->\nStep 2/9 : RUN s2\nlater\n ---> abc\n');
  });

  test('begins with the FROM whose image is missing, once', () => {
    const { classic, shown } = begin(0);
    const instruction = { text: 'FROM nosuch', number: 1, count: 2 };
    for (const id of ['image a', 'image b']) {
      classic.take({ kind: 'failed', id, at, message: 'x', instruction });
    }
    assert.equal(shown(), 'Step 1/2 : FROM nosuch\n');
  });

  test('names what a command runs in, and that it is gone, also when it fails', () => {
    const { classic, log, shown } = begin(2);
    const start = (id: string, container: string) =>
      classic.take({ kind: 'started', id, at, container: container.repeat(64) });
    start('s2', 'b');
    start('s1', 'a');
    log('s1', 'first\n');
    classic.take({ kind: 'completed', id: 's1', at, layer: 'abc' });
    classic.take({ kind: 'failed', id: 's2', at, message: 'x' });
    assert.equal(
      shown(),
      [
        'Step 1/9 : RUN s1\n ---> Running in aaaaaaaaaaaa\nfirst\n',
        ' ---> Removed intermediate container aaaaaaaaaaaa\n ---> abc\n',
        'Step 2/9 : RUN s2\n ---> Running in bbbbbbbbbbbb\n',
        ' ---> Removed intermediate container bbbbbbbbbbbb\n',
      ].join(''),
    );
  });

  test('is red where it was written to stderr, with the characters of each stream whole', () => {
    const { classic, shown } = begin(1);
    const piece = (stream: 'stdout' | 'stderr', ...data: number[]) =>
      classic.take({ kind: 'log', id: 's1', stream, data: Uint8Array.from(data) });
    piece('stderr', 0xc3);
    piece('stdout', 0x61);
    piece('stderr', 0xa9);
    assert.equal(shown(), 'Step 1/9 : RUN s1\na\x1b[91mé\x1b[0m');
  });

  test('is kept up to 2 MiB of a step, and 16 MiB of all', () => {
    const { classic, log, shown } = begin(20);
    for (let number = 2; number <= 20; number += 1) {
      for (let count = 0; count < 8; count += 1) log(`s${number}`, 'x'.repeat(MEBIBYTE / 2));
    }
    for (let number = 1; number <= 20; number += 1) classic.take({ kind: 'completed', id: `s${number}`, at });
    const text = shown();
    assert.ok(text.length < 17 * MEBIBYTE, `${text.length} characters`);
    assert.equal(text.split('[output clipped, log limit 2MiB reached]').length - 1, 19);
    assert.equal(text.split(' --->\n').length - 1, 20, 'how steps end is always told');
  });

  test('takes room that pieces of one byte cannot multiply', () => {
    const { classic, log, shown } = begin(2);
    for (let count = 0; count < 100_000; count += 1) log('s2', 'x');
    classic.take({ kind: 'completed', id: 's1', at });
    assert.ok(shown().length < 50_000);
    log('s2', 'goes on\n');
    assert.ok(shown().endsWith('goes on\n'), 'once it is the turn of the step, all is shown');
  });
});
