import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { findDecompressors } from '../../../../runtime-agent/images/decompress.ts';
import { MAX_SMALL_BLOB, openLayer } from '../../../../runtime-agent/images/open-layer.ts';
import { runCommand } from '../../../support/run-command.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';
import { unlessRoot } from '../../../support/unless-root.ts';
import { untilPasses } from '../../../support/until-passes.ts';

const digest = `sha256:${'1'.repeat(64)}` as const;
const content = Buffer.concat([randomBytes(1_500_000), Buffer.alloc(3_000_000, 'ab')]);
const never = new AbortController().signal;
const installed = await findDecompressors();

const KINDS = [
  { by: 'igzip', kind: 'gzip', compress: gzipSync, decompressors: installed },
  { by: 'zstd', kind: 'zstd', compress: zstdCompressSync, decompressors: installed },
  { by: 'zlib', kind: 'gzip', compress: gzipSync, decompressors: {} },
  { by: 'zlib', kind: 'zstd', compress: zstdCompressSync, decompressors: {} },
] as const;

for (const { by, kind, compress, decompressors } of KINDS) {
  const isProgram = by !== 'zlib';
  const isMissing = isProgram && installed[kind] === undefined;
  const skip = isMissing ? `${by} is not installed` : isProgram && unlessRoot();
  describe(`a ${kind} layer that ${by} writes into a file`, { skip }, () => {
    const write = async (
      t: TestContext,
      source: AsyncIterable<Uint8Array>,
      { limit = 2 ** 40, signal = never }: { readonly limit?: number; readonly signal?: AbortSignal } = {},
    ) => {
      const path = join(await makeTempDir(t, 'layer'), 'tar');
      const file = await open(path, 'wx+');
      t.after(() => file.close());
      const mediaType = `application/vnd.oci.image.layer.v1.tar+${kind}`;
      const blob = { digest, mediaType, size: MAX_SMALL_BLOB + 1 };
      const { writeInto } = await openLayer(blob, source, { decompressors, layerLimit: limit });
      assert.ok(writeInto !== undefined);
      let grown = 0;
      await writeInto(file.fd, () => grown++, signal);
      return { bytes: await readFile(path), grown };
    };

    it('is what was compressed, of several members too', async (t) => {
      const half = content.length >> 1;
      const members = [compress(content.subarray(0, half)), compress(content.subarray(half))];
      for (const whole of [compress(content), Buffer.concat(members)]) {
        for (const size of [whole.length, 65_536, 100_003]) {
          const { bytes, grown } = await write(t, pieces(whole, size));
          assert.ok(bytes.equals(content));
          assert.ok(grown > 0, 'who reads the file is told before its end');
        }
      }
      assert.ok((await write(t, pieces(compress(Buffer.alloc(0)), 1))).bytes.equals(Buffer.alloc(0)));
    });

    it('is refused when it has more bytes than it may, and not by one', async (t) => {
      assert.equal(
        (await write(t, pieces(compress(content), 65_536), { limit: content.length })).bytes.length,
        content.length,
      );
      const bomb = compress(Buffer.alloc(50_000_000));
      const endless = async function* () {
        for (;;) {
          yield bomb;
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      for (const source of [pieces(compress(content), 65_536), endless()]) {
        await assert.rejects(write(t, source, { limit: content.length - 1 }), {
          code: 'bad-request',
          message: /^a layer of the image has more than 4499999 bytes uncompressed: start the agent/,
        });
      }
    });

    it('is refused when it is damaged or cut off', async (t) => {
      const whole = compress(content);
      const damaged = Buffer.from(whole);
      damaged.writeUInt8(damaged.readUInt8(whole.length - 6) ^ 1, whole.length - 6);
      for (const bad of [damaged, whole.subarray(0, whole.length - 10), whole.subarray(0, 5)]) {
        await assert.rejects(write(t, pieces(bad, 65_536)), {
          code: 'bad-request',
          message: new RegExp(`^layer ${digest} is broken: its ${kind} content is damaged: `),
        });
      }
    });

    it('fails first as its source does, which is read to the end', async (t) => {
      const whole = compress(content);
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
        yield compress(content).subarray(0, 100_000);
        controller.abort(new Error('the client has gone'));
      };
      await assert.rejects(
        write(t, hanging(), { signal: controller.signal }),
        /^Error: the client has gone$/,
      );
      await assert.rejects(
        write(t, hanging(), { signal: AbortSignal.abort(new Error('gone before')) }),
        /^Error: gone before$/,
      );
    });

    if (isProgram) {
      it('is written by nobody, without a way to more, and within bounds', async (t) => {
        const whole = compress(content);
        const looked = async function* () {
          yield whole.subarray(0, 1000);
          await untilPasses(async () => {
            const pid = (await runCommand('pgrep', ['-P', `${process.pid}`, '-x', by])).stdout.trim();
            const status = await readFile(`/proc/${pid}/status`, 'utf8');
            assert.match(status, /^Uid:\t65534\t65534\t65534\t65534$/m);
            assert.match(status, /^Gid:\t65534\t65534\t65534\t65534$/m);
            assert.match(status, /^Groups:\t *$/m);
            assert.match(status, /^CapEff:\t0+$/m);
            assert.match(status, /^NoNewPrivs:\t1$/m);
            const limits = await readFile(`/proc/${pid}/limits`, 'utf8');
            for (const limit of ['cpu time', 'address space', 'file size', 'core file size']) {
              assert.match(limits, new RegExp(`^Max ${limit} +\\d+ `, 'm'));
            }
          });
          yield whole.subarray(1000);
        };
        assert.ok((await write(t, looked())).bytes.equals(content));
      });
    }
  });
}

it('a plain layer is written as it is, and no more of it than it may have', async (t) => {
  const path = join(await makeTempDir(t, 'layer'), 'tar');
  const file = await open(path, 'wx+');
  t.after(() => file.close());
  const mediaType = 'application/vnd.oci.image.layer.v1.tar';
  const blob = { digest, mediaType, size: content.length };
  const into = async (layerLimit: number) =>
    (await openLayer(blob, pieces(content, 65_536), { decompressors: installed, layerLimit })).writeInto;
  let grown = 0;
  await (await into(content.length))?.(file.fd, () => grown++, never);
  assert.ok((await readFile(path)).equals(content));
  assert.ok(grown > 1);
  const refused = (await into(content.length - 1))?.(file.fd, () => undefined, never);
  await assert.rejects(refused ?? assert.fail(), {
    code: 'bad-request',
    message: /has more than 4499999 bytes/,
  });
});

describe('a small gzip layer', () => {
  const opened = async (
    blob: Buffer,
    layerLimit = 2 ** 40,
    source: AsyncIterable<Uint8Array> = pieces(blob, 1000),
  ) => {
    const descriptor = {
      digest,
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      size: blob.length,
    };
    return await openLayer(descriptor, source, { decompressors: {}, layerLimit });
  };
  const bytesOf = async (layer: AsyncIterable<Uint8Array>) => Buffer.concat(await Array.fromAsync(layer));
  const small = randomBytes(100_000);

  it('is decompressed in memory, whose chunks may be used again, and starts no program', async () => {
    const blob = Buffer.concat([gzipSync(small.subarray(0, 5000)), gzipSync(small.subarray(5000))]);
    async function* reused() {
      const chunk = Buffer.alloc(700);
      for (let at = 0; at < blob.length; at += chunk.length) {
        yield chunk.subarray(0, blob.copy(chunk, 0, at));
      }
    }
    const layer = await opened(blob, small.length, reused());
    assert.equal(layer.writeInto, undefined);
    assert.ok((await bytesOf(layer)).equals(small));
  });

  it('goes to a program when its tar is not small', async () => {
    const large = Buffer.alloc(30_000_000, 'ab');
    const layer = await opened(gzipSync(large));
    assert.ok(layer.writeInto !== undefined);
    assert.ok((await bytesOf(layer)).equals(large));
  });

  it('is refused when it is damaged, cut off or larger than a layer may be', async () => {
    const blob = gzipSync(small);
    const damaged = Buffer.from(blob);
    damaged.fill(0, 3000, 3100);
    for (const broken of [damaged, blob.subarray(0, -9)]) {
      await assert.rejects(opened(broken), { code: 'bad-request', message: /its gzip content is damaged/ });
    }
    await assert.rejects(bytesOf(await opened(blob, small.length - 1)), {
      code: 'bad-request',
      message: /has more than 99999 bytes/,
    });
  });

  it('says first what is wrong with the blob itself', async () => {
    async function* cut() {
      yield gzipSync(small).subarray(0, 4000);
      throw new Error('the blob is another one');
    }
    await assert.rejects(opened(gzipSync(small), 2 ** 40, cut()), { message: 'the blob is another one' });
  });
});

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
