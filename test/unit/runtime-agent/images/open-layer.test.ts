import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { openLayer } from '../../../../runtime-agent/images/open-layer.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const digest = `sha256:${'1'.repeat(64)}` as const;
const blob = { digest, mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' };
const content = Buffer.concat([randomBytes(1_500_000), Buffer.alloc(3_000_000, 'ab')]);
const never = new AbortController().signal;

const igzip = spawnSync('sh', ['-c', 'command -v igzip'], { encoding: 'utf8' }).stdout.trim();
const skip = igzip === '' && 'igzip (package isal) is not installed';

describe('a layer that igzip writes into a file', { skip }, () => {
  const write = async (
    t: TestContext,
    source: AsyncIterable<Uint8Array>,
    { limit = 2 ** 40, signal = never }: { readonly limit?: number; readonly signal?: AbortSignal } = {},
  ) => {
    const path = join(await makeTempDir(t, 'layer'), 'tar');
    const file = await open(path, 'wx+');
    t.after(() => file.close());
    const { writeInto } = await openLayer(blob, source, { igzip, layerLimit: limit });
    assert.ok(writeInto !== undefined);
    let grown = 0;
    await writeInto(file.fd, () => grown++, signal);
    return { bytes: await readFile(path), grown };
  };

  it('is what was compressed, of several members too', async (t) => {
    const half = content.length >> 1;
    const members = [gzipSync(content.subarray(0, half)), gzipSync(content.subarray(half))];
    for (const whole of [gzipSync(content), Buffer.concat(members)]) {
      for (const size of [whole.length, 65_536, 100_003]) {
        const { bytes, grown } = await write(t, pieces(whole, size));
        assert.ok(bytes.equals(content));
        assert.ok(grown > 0, 'who reads the file is told before its end');
      }
    }
    assert.ok((await write(t, pieces(gzipSync(Buffer.alloc(0)), 1))).bytes.equals(Buffer.alloc(0)));
  });

  it('is refused when it has more bytes than it may, and not by one', async (t) => {
    assert.equal(
      (await write(t, pieces(gzipSync(content), 65_536), { limit: content.length })).bytes.length,
      content.length,
    );
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    const endless = async function* () {
      for (;;) {
        yield bomb;
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    for (const source of [pieces(gzipSync(content), 65_536), endless()]) {
      await assert.rejects(write(t, source, { limit: content.length - 1 }), {
        code: 'bad-request',
        message: /^a layer of the image has more than 4499999 bytes uncompressed: start the agent/,
      });
    }
  });

  it('is refused when it is damaged or cut off', async (t) => {
    const whole = gzipSync(content);
    const damaged = Buffer.from(whole);
    damaged.writeUInt8(damaged.readUInt8(whole.length - 6) ^ 1, whole.length - 6);
    for (const bad of [damaged, whole.subarray(0, whole.length - 10), whole.subarray(0, 5)]) {
      await assert.rejects(write(t, pieces(bad, 65_536)), {
        code: 'bad-request',
        message: new RegExp(`^layer ${digest} is broken: its gzip content is damaged: `),
      });
    }
  });

  it('fails first as its source does, which is read to the end', async (t) => {
    const whole = gzipSync(content);
    const damaged = Buffer.from(whole);
    damaged.fill(0, 1000, 2000);
    for (const bytes of [whole, damaged]) {
      const failing = async function* () {
        yield* pieces(bytes, 65_536);
        throw new Error('the digest differs');
      };
      await assert.rejects(write(t, failing()), /^Error: the digest differs$/);
    }
  });

  it('stops when nobody wants it any more', async (t) => {
    const controller = new AbortController();
    const hanging = async function* () {
      yield gzipSync(content).subarray(0, 100_000);
      controller.abort(new Error('the client has gone'));
    };
    await assert.rejects(write(t, hanging(), { signal: controller.signal }), /^Error: the client has gone$/);
    await assert.rejects(
      write(t, hanging(), { signal: AbortSignal.abort(new Error('gone before')) }),
      /^Error: gone before$/,
    );
  });
});

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
