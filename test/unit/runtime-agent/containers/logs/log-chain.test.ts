import assert from 'node:assert/strict';
import { appendFile, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { compressLogFiles, rotateLogFiles } from '../../../../../runtime-agent/containers/logs/log-files.ts';
import { readLog } from '../../../../../runtime-agent/containers/logs/read-log.ts';
import { LONGEST_WAIT } from '../../../../support/longest-wait.ts';
import { fc } from '../../../../support/properties.ts';
import { makeTempDir } from '../../../../support/temp-dir.ts';

const ALL = { stdout: true, stderr: true, follow: false };
const line = (text: string, tag = 'F') => `2026-11-24T06:35:10.5Z stdout ${tag} ${text}\n`;

async function read(path: string, options: object = {}, ended: Promise<unknown> = Promise.resolve()) {
  const lines: string[] = [];
  for await (const { data } of readLog(
    path,
    { ...ALL, ...options },
    ended,
    AbortSignal.timeout(LONGEST_WAIT),
  )) {
    lines.push(Buffer.from(data).toString().trimEnd());
  }
  return lines;
}

describe('a log in several files', () => {
  it('is read from the oldest on', async (t) => {
    const path = join(await makeTempDir(t, 'log'), 'log');
    await writeFile(`${path}.2`, line('1') + line('2'));
    await writeFile(`${path}.1`, line('3') + line('half ', 'P'));
    await writeFile(path, line('of it') + line('5'));
    assert.deepEqual(await read(path), ['1', '2', '3', 'half of it', '5']);
  });

  it('is read while its newest file is away', async (t) => {
    const path = join(await makeTempDir(t, 'log'), 'log');
    await writeFile(`${path}.1`, line('1'));
    assert.deepEqual(await read(path), ['1']);
  });

  it('is read and has a tail where older files are compressed', async (t) => {
    const path = join(await makeTempDir(t, 'log'), 'log');
    await writeFile(`${path}.2`, line('1') + line('2'));
    await writeFile(`${path}.1`, line('3') + line('4'));
    await writeFile(path, line('half ', 'P') + line('of it') + line('6'));
    await compressLogFiles(path, 3);
    assert.deepEqual((await readdir(dirname(path))).sort(), ['log', 'log.1.gz', 'log.2.gz']);
    assert.deepEqual(await read(path), ['1', '2', '3', '4', 'half of it', '6']);
    assert.deepEqual(await read(path, { tail: 2 }), ['half of it', '6']);
    assert.deepEqual(await read(path, { tail: 5 }), ['2', '3', '4', 'half of it', '6']);
    await rotateLogFiles(path, 3);
    assert.deepEqual((await readdir(dirname(path))).sort(), ['log.1', 'log.2.gz']);
    // Nothing but what is read is there while it is.
    assert.deepEqual(await read(path), ['3', '4', 'half of it', '6']);
  });

  it('has a tail over all of its files', async (t) => {
    const path = join(await makeTempDir(t, 'log'), 'log');
    const entries = fc.array(
      fc.record({ tag: fc.constantFrom('F', 'F', 'P'), length: fc.nat(200), rotates: fc.boolean() }),
      { maxLength: 25 },
    );
    await fc.assert(
      fc.asyncProperty(entries, fc.nat(12), async (list, tail) => {
        for (const age of ['', '.1', '.2', '.3']) await writeFile(path + age, '');
        for (const { tag, length, rotates } of list) {
          await appendFile(path, line('x'.repeat(length), tag));
          if (rotates && tag === 'F') {
            await rotateLogFiles(path, 4);
            await writeFile(path, '');
          }
        }
        const whole = await read(path);
        assert.deepEqual(await read(path, { tail }), tail === 0 ? [] : whole.slice(-tail));
      }),
      { numRuns: 60 },
    );
  });

  it('is followed over rotations, and what is dropped meanwhile is not waited for', async (t) => {
    const path = join(await makeTempDir(t, 'log'), 'log');
    await writeFile(path, line('0'));
    let end: (value?: unknown) => void = () => undefined;
    const ended = new Promise((resolve) => {
      end = resolve;
    });
    const reading = read(path, { follow: true }, ended);
    for (let count = 1; count <= 50; count += 1) {
      await appendFile(path, line(String(count)));
      if (count % 7 === 0) {
        // As conmon and the agent do it: renamed first, written to a little longer, then opened anew.
        await rotateLogFiles(path, 100);
        await appendFile(`${path}.1`, line(`${count} late`));
        await writeFile(path, '');
      }
    }
    end();
    const lines = await reading;
    const numbers = lines.filter((text) => /^\d+$/.test(text));
    assert.deepEqual(
      numbers,
      Array.from({ length: 51 }, (_, index) => String(index)),
    );
    assert.equal(lines.filter((text) => text.endsWith('late')).length, 7);
  });

  it('that is begun anew by its writer is followed too', async (t) => {
    const path = join(await makeTempDir(t, 'log'), 'log');
    await writeFile(path, line('1'));
    let end: (value?: unknown) => void = () => undefined;
    const ended = new Promise((resolve) => {
      end = resolve;
    });
    const reading = read(path, { follow: true }, ended);
    await new Promise((resolve) => setImmediate(resolve));
    await writeFile(`${path}.tmp`, line('2'));
    await rename(`${path}.tmp`, path);
    end();
    assert.equal((await reading).at(-1), '2');
  });
});

describe('rotation', () => {
  it('keeps as many files as it should', async (t) => {
    const folder = await makeTempDir(t, 'log');
    const path = join(folder, 'log');
    for (const text of ['a', 'b', 'c', 'd']) {
      await writeFile(path, text);
      await rotateLogFiles(path, 3);
    }
    await writeFile(path, 'e');
    assert.deepEqual((await readdir(folder)).sort(), ['log', 'log.1', 'log.2']);
    assert.equal(await readFile(`${path}.1`, 'latin1'), 'd');
    assert.equal(await readFile(`${path}.2`, 'latin1'), 'c');
  });
});
