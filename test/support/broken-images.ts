import { type Escape, escapeEntries } from './hostile-layers.ts';
import { cachedImage } from './image-cache.ts';
import { addLayer, type Layer } from './layer.ts';
import { addBlob, MEDIA_TYPE, readBlob } from './oci-layout.ts';
import { writeTar } from './tar-writer.ts';
import { addImage, hostArchitecture, type TestImage } from './test-image.ts';

/** Faults of images whose digests are right, so that a registry accepts them. */
export const FAULTS = [
  'layer-no-gzip',
  'layer-cut-short',
  'layer-no-tar',
  'tar-cut-short',
  'wrong-diff-id',
  'other-architecture',
  'more-diff-ids-than-layers',
  'fewer-diff-ids-than-layers',
] as const;

export type Fault = (typeof FAULTS)[number];

/** An image of a good layer (/etc/good) and one that attacks `victim`; see escapeEntries. */
export function makeHostileImage(folder: string, attack: Escape, victim: string): Promise<TestImage> {
  return cachedImage(folder, `hostile-${attack}-${Buffer.from(victim).toString('hex')}`, async (layout) => {
    const entries = await escapeEntries(attack, victim);
    return addImage(layout, attack, [await goodLayer(layout), await addLayer(layout, writeTar(entries))]);
  });
}

/** An image with one fault. Push it with pushLayout, which checks nothing. */
export function makeBrokenImage(folder: string, fault: Fault): Promise<TestImage> {
  return cachedImage(folder, `broken-${fault}`, async (layout) => {
    const good = await goodLayer(layout);
    const { diffId } = good;
    switch (fault) {
      case 'layer-no-gzip':
        return addImage(layout, fault, [await rawLayer(layout, Buffer.from('this is no gzip'), diffId)]);
      case 'layer-cut-short': {
        const whole = await readBlob(layout, good.descriptor.digest);
        return addImage(layout, fault, [await rawLayer(layout, whole.subarray(0, whole.length / 2), diffId)]);
      }
      case 'layer-no-tar':
        return addImage(layout, fault, [await addLayer(layout, Buffer.from('this is no tar'.repeat(100)))]);
      case 'tar-cut-short': {
        const tar = writeTar([{ name: 'etc/cut', type: 'file', content: 'x'.repeat(5000) }]);
        return addImage(layout, fault, [await addLayer(layout, tar.subarray(0, 2000))]);
      }
      case 'wrong-diff-id':
        return addImage(layout, fault, [good], { diffIds: [`sha256:${'0'.repeat(64)}`] });
      case 'other-architecture':
        return addImage(layout, fault, [good], {
          architecture: hostArchitecture() === 's390x' ? 'amd64' : 's390x',
        });
      case 'more-diff-ids-than-layers':
        return addImage(layout, fault, [good], { diffIds: [diffId, diffId] });
      case 'fewer-diff-ids-than-layers':
        return addImage(layout, fault, [good], { diffIds: [] });
    }
  });
}

function goodLayer(layout: string): Promise<Layer> {
  return addLayer(layout, writeTar([{ name: 'etc/good', type: 'file', content: 'good\n'.repeat(1000) }]));
}

async function rawLayer(layout: string, blob: Uint8Array, diffId: string): Promise<Layer> {
  return { descriptor: await addBlob(layout, MEDIA_TYPE.ociLayerGzip, blob), diffId };
}
