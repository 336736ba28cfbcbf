import assert from 'node:assert/strict';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { findTail } from '../../../../../runtime-agent/containers/logs/log-chain.ts';
import { readLog } from '../../../../../runtime-agent/containers/logs/read-log.ts';
import { LONGEST_WAIT } from '../../../../support/longest-wait.ts';
import { fc } from '../../../../support/properties.ts';
import { makeTempDir } from '../../../../support/temp-dir.ts';

const ALL = { stdout: true, stderr: true, follow: false };

async function texts(path: string, tail?: number): Promise<readonly string[]> {
  const lines: string[] = [];
  const options = tail === undefined ? ALL : { ...ALL, tail };
  for await (const { data } of readLog(path, options, Promise.resolve(), AbortSignal.timeout(LONGEST_WAIT))) {
    lines.push(Buffer.from(data).toString());
  }
  return lines;
}

describe('the end of a log', () => {
  it('is what the whole log ends with', async (t) => {
    const path = join(await makeTempDir(t, 'log'), 'log');
    const entries = fc.array(
      fc.record({ tag: fc.constantFrom('F', 'F', 'P'), length: fc.oneof(fc.nat(40), fc.nat(70_000)) }),
      { maxLength: 30 },
    );
    await fc.assert(
      fc.asyncProperty(entries, fc.nat(12), async (list, tail) => {
        const log = list.map(
          ({ tag, length }) => `2026-11-24T06:35:10.5Z stdout ${tag} ${'x'.repeat(length)}\n`,
        );
        await writeFile(path, log.join(''));
        const whole = await texts(path);
        assert.deepEqual(await texts(path, tail), tail === 0 ? [] : whole.slice(-tail));
      }),
      { numRuns: 60 },
    );
  });

  it('is the same however the log is cut into files, in the middle of lines and behind empty ones too', async (t) => {
    const path = join(await makeTempDir(t, 'log'), 'log');
    const tags = fc.array(fc.constantFrom('F', 'P'), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(
        tags,
        tags,
        tags,
        fc.integer({ min: 1, max: 12 }),
        async (oldest, older, newest, tail) => {
          let number = 0;
          for (const [name, list] of [
            [`${path}.2`, oldest],
            [`${path}.1`, older],
            [path, newest],
          ] as const) {
            const entries = list.map((tag) => `2026-11-24T06:35:10.5Z stdout ${tag} ${number++},\n`);
            await writeFile(name, entries.join(''));
          }
          assert.deepEqual(await texts(path, tail), (await texts(path)).slice(-tail));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('is found without reading what comes before', async (t) => {
    const path = join(await makeTempDir(t, 'log'), 'log');
    const line = `2026-11-24T06:35:10.5Z stdout F ${'y'.repeat(67)}\n`;
    await writeFile(path, line.repeat(40_000));
    const file = await open(path);
    let bytes = 0;
    const counting = new Proxy(file, {
      get: (target, key) =>
        key === 'read'
          ? async (buffer: Buffer, offset: number, length: number, position: number) => {
              bytes += length;
              return target.read(buffer, offset, length, position);
            }
          : Reflect.get(target, key),
    });
    try {
      assert.deepEqual(await findTail(counting, 40_000 * line.length, 10, true), {
        start: 39_990 * line.length,
        lines: 10,
      });
      assert.ok(bytes < 200_000, `${bytes} bytes were read`);
    } finally {
      await file.close();
    }
  });

  it('is empty where there is no log', async (t) => {
    assert.deepEqual(await texts(join(await makeTempDir(t, 'log'), 'none')), []);
  });
});
