import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import {
  decompress,
  findDecompressors,
  readCompression,
} from '../../../../runtime-agent/images/decompress.ts';
import { unlessRoot } from '../../../support/unless-root.ts';
import { waitUntil } from '../../../support/wait-until.ts';

const digest = `sha256:${'1'.repeat(64)}` as const;
const gzipType = 'application/vnd.oci.image.layer.v1.tar+gzip';
const plainType = 'application/vnd.oci.image.layer.v1.tar';
const content = Buffer.concat([randomBytes(1_500_000), Buffer.alloc(3_000_000, 'ab')]);

const installed = await findDecompressors();

for (const igzip of [false, true]) {
  const skip =
    igzip && (installed.gzip === undefined ? 'igzip (package isal) is not installed' : unlessRoot());
  describe(`decompress ${igzip ? 'with igzip' : 'with zlib'}`, { skip }, () => {
    const read = async (mediaType: string, source: AsyncIterable<Uint8Array>) => {
      const chunks: Uint8Array[] = [];
      const blob = { digest, mediaType };
      const opened = await readCompression(blob, source);
      for await (const chunk of decompress(blob, opened, igzip ? installed : {})) chunks.push(chunk);
      return Buffer.concat(chunks);
    };

    it('undoes gzip, of several members too, and zstd', async () => {
      const half = content.length >> 1;
      const members = [gzipSync(content.subarray(0, half)), gzipSync(content.subarray(half))];
      const blobs = [gzipSync(content), Buffer.concat(members), zstdCompressSync(content)];
      for (const blob of blobs) {
        for (const size of [blob.length, 65_536, 100_003]) {
          assert.ok((await read(gzipType, pieces(blob, size))).equals(content));
        }
      }
      assert.ok((await read(gzipType, pieces(gzipSync(Buffer.from('few')), 1))).equals(Buffer.from('few')));
    });

    it('passes on what is not compressed', async () => {
      for (const plain of [content, Buffer.alloc(0), Buffer.from('ab')]) {
        assert.ok((await read(plainType, pieces(plain, 1000_000))).equals(plain));
      }
    });

    it('refuses what is not what it is said to be', async () => {
      await assert.rejects(read(gzipType, pieces(Buffer.from('plain text'), 3)), {
        code: 'bad-request',
        message: `layer ${digest} is broken: it is declared as gzip, but is not`,
      });
      await assert.rejects(
        read(gzipType.replace('gzip', 'zstd'), pieces(Buffer.alloc(0), 1)),
        /is declared as zstd, but is not/,
      );
    });

    it('refuses damaged and cut off content', async () => {
      const blob = gzipSync(content);
      const damaged = Buffer.from(blob);
      damaged.writeUInt8(damaged.readUInt8(blob.length - 6) ^ 1, blob.length - 6);
      const zstd = zstdCompressSync(content);
      for (const bad of [
        damaged,
        blob.subarray(0, blob.length - 10),
        blob.subarray(0, 5),
        zstd.subarray(0, 1000),
      ]) {
        await assert.rejects(read(gzipType, pieces(bad, 65_536)), {
          code: 'bad-request',
          message: new RegExp(`^layer ${digest} is broken: its (?:gzip|zstd) content is damaged: `),
        });
      }
    });

    it('reads its source to the end, and lets its failure come first', async () => {
      const blob = gzipSync(content);
      const failing = async function* () {
        yield* pieces(blob, 65_536);
        throw new Error('the digest differs');
      };
      await assert.rejects(read(gzipType, failing()), /^Error: the digest differs$/);
      const damaged = Buffer.from(blob);
      damaged.fill(0, 1000, 2000);
      const both = async function* () {
        yield* pieces(damaged, 65_536);
        throw new Error('the digest differs');
      };
      await assert.rejects(read(gzipType, both()), /^Error: the digest differs$/);
    });

    it('lets its source go when its reader stops', async () => {
      let released = false;
      const endless = async function* () {
        try {
          for (;;) yield gzipSync(content);
        } finally {
          released = true;
        }
      };
      const blob = { digest, mediaType: gzipType };
      const opened = await readCompression(blob, endless());
      for await (const _ of decompress(blob, opened, igzip ? installed : {})) break;
      await waitUntil('its source is let go', () => released);
    });
  });
}

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
