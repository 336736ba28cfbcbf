import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import type { Digest } from '../../../../oci/digest.ts';
import { ArchiveFiles } from '../../../../runtime-agent/images/archive/archive-files.ts';
import { archivedImages } from '../../../../runtime-agent/images/archive/archived-images.ts';
import { writeArchive } from '../../../../runtime-agent/images/archive/write-archive.ts';

const digestOf = (bytes: Buffer): Digest => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

function configOf(created: unknown): Buffer {
  const rootfs = { type: 'layers', diff_ids: [] };
  return Buffer.from(JSON.stringify({ created, os: 'linux', architecture: 'amd64', rootfs }));
}

describe('an archive of docker', () => {
  const load = (item: object) => {
    const files = new ArchiveFiles();
    const config = configOf('2024-01-02T03:04:05Z');
    const list = Buffer.from(JSON.stringify([{ Config: 'config.json', ...item }]));
    for (const [path, bytes] of [
      ['config.json', config],
      ['manifest.json', list],
    ] as const) {
      files.add(path, { digest: digestOf(bytes), size: bytes.length, bytes });
    }
    return archivedImages(files);
  };

  it('may have an image without layers, as Go writes an empty list', async () => {
    for (const item of [{ Layers: null }, {}, { Layers: [], RepoTags: null }]) {
      assert.equal((await load(item)).length, 1);
    }
    for (const item of [{ Layers: 'x' }, { Layers: [null] }, { Layers: ['nosuch'] }]) {
      await assert.rejects(load(item), { code: 'bad-request' });
    }
  });

  it('says when each image was made, by the time of its configuration', async () => {
    for (const [created, seconds] of [
      ['2024-01-02T03:04:05.9Z', 1_704_164_645],
      ['0001-01-01T00:00:00Z', 0],
      ['+275760-09-13T00:00:00Z', 0],
      ['no time', 0],
      [undefined, 0],
    ] as const) {
      const config = configOf(created);
      const id = digestOf(config);
      const chunks = await Array.fromAsync(
        writeArchive([{ id, config, layers: [], names: [] }], () => assert.fail('it has no layers')),
      );
      const tar = Buffer.concat(chunks);
      const at = tar.indexOf(`blobs/${id.replace(':', '/')}`);
      assert.equal(Number.parseInt(tar.toString('latin1', at + 136, at + 148), 8), seconds, String(created));
    }
  });
});
