import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Digest } from '../../../../oci/digest.ts';
import { MEDIA_TYPES } from '../../../../oci/media-types.ts';
import { planLayers, shortDigest } from '../../../../runtime-agent/images/resolve-image.ts';

describe('planLayers', () => {
  const digest = (digit: string): Digest => `sha256:${digit.repeat(64)}`;
  const layer = (digit: string, mediaType: string = MEDIA_TYPES.ociLayerGzip) => ({
    mediaType,
    digest: digest(digit),
    size: 1,
  });

  it('pairs layers and diff IDs in order, each diff ID once', () => {
    const planned = planLayers([layer('1'), layer('2'), layer('3')], [digest('a'), digest('b'), digest('a')]);
    assert.deepEqual(
      planned.map(({ blob, diffId }) => [shortDigest(blob.digest), shortDigest(diffId)]),
      [
        ['1'.repeat(12), 'a'.repeat(12)],
        ['2'.repeat(12), 'b'.repeat(12)],
      ],
    );
    assert.deepEqual(planLayers([], []), []);
  });

  it('refuses more layers than can be mounted, before any is fetched', () => {
    const many = Array.from({ length: 501 }, () => layer('1'));
    const diffIds = many.map(() => digest('a'));
    assert.equal(planLayers(many.slice(1), diffIds.slice(1)).length, 1);
    assert.throws(() => planLayers(many, diffIds), {
      code: 'bad-request',
      message: 'the image has 501 layers, and the kernel can mount 500: build it again with fewer',
    });
  });

  it('takes every type of layer that images have', () => {
    for (const type of [
      MEDIA_TYPES.ociLayer,
      MEDIA_TYPES.ociLayerGzip,
      MEDIA_TYPES.ociLayerZstd,
      MEDIA_TYPES.dockerLayer,
      MEDIA_TYPES.dockerLayerGzip,
      'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
      'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
    ]) {
      assert.equal(planLayers([layer('1', type)], [digest('a')]).length, 1, type);
    }
  });

  it('refuses what does not belong together, and what is no file system', () => {
    assert.throws(() => planLayers([layer('1')], []), { code: 'bad-request', message: /1 layers .* 0$/ });
    for (const type of [
      'application/octet-stream',
      'application/vnd.oci.image.layer.v1.tar+gzip+encrypted',
    ]) {
      assert.throws(() => planLayers([layer('1', type)], [digest('a')]), {
        code: 'bad-request',
        message: `layer ${digest('1')} is of the type ${type}, which is not a layer of a container image`,
      });
    }
  });
});
