import type { Router } from '@koa/router';
import type { Digest } from '../../../storage/oci/digest.ts';
import { EngineError } from '../../errors.ts';
import type { Image } from '../../images/image.ts';
import { folderSize } from '../../volumes/folder-size.ts';
import { asksBefore } from '../api-version.ts';
import type { ContainerFilesDeps, EngineDeps } from '../engine-deps.ts';
import { requestSignal } from '../http/request-signal.ts';
import { cacheRecordJson } from '../views/cache-record.ts';
import { containerSummary } from '../views/container-summary.ts';
import { type LayerUsage, layerUsage } from '../views/disk-usage.ts';
import { imageSummary, virtualSize } from '../views/image-summary.ts';
import { volumeJson } from '../views/volume.ts';
import { listedSizes } from './container-sizes.ts';
import { fixedNetworks } from './fixed-networks.ts';
import { imageNames } from './shown-image.ts';

const TYPES = ['container', 'image', 'volume', 'build-cache'] as const;
type UsageType = (typeof TYPES)[number];

/** `docker system df` (Engine API, SystemDataUsage). */
export function diskUsageRoutes(router: Router, deps: EngineDeps, files: ContainerFilesDeps): void {
  router.get('/system/df', async (ctx) => {
    const asked = ctx.URL.searchParams.getAll('type');
    for (const type of asked) {
      if (!(TYPES as readonly string[]).includes(type)) {
        throw new EngineError('bad-request', `unknown object type: ${type.slice(0, 80)}`);
      }
    }
    const wants = (type: UsageType) => asked.length === 0 || asked.includes(type);
    ctx.body = {
      ...(wants('image') ? await imagePart(deps, asksBefore(ctx, '1.44')) : { LayersSize: 0, Images: null }),
      Containers: wants('container') ? await containerPart(deps, files) : null,
      Volumes: wants('volume') ? await volumePart(deps) : null,
      BuildCache: wants('build-cache') ? await cachePart(deps, requestSignal(ctx.res, deps.stopping)) : null,
    };
  });
}

/** How the layers of images share the disk now. */
export async function measureLayers(
  { layerSize }: Pick<EngineDeps, 'layerSize'>,
  images: readonly Image[],
): Promise<LayerUsage> {
  const sizes = new Map<Digest, number>();
  for (const diffId of new Set(images.flatMap(({ diffIds }) => diffIds))) {
    sizes.set(diffId, await layerSize(diffId));
  }
  return layerUsage(images, sizes);
}

async function imagePart(deps: EngineDeps, isOld: boolean): Promise<object> {
  const images = await deps.images.list();
  const usage = await measureLayers(deps, images);
  const containers = await deps.containers.list();
  const count = ({ id }: Image) => containers.filter(({ imageId }) => imageId === id).length;
  return {
    LayersSize: usage.total,
    Images: images.map((image) => ({
      ...imageSummary(image, image),
      ...virtualSize(image, isOld),
      Containers: count(image),
      SharedSize: usage.shared(image),
    })),
  };
}

async function containerPart(deps: EngineDeps, files: ContainerFilesDeps): Promise<readonly object[]> {
  const now = Date.now();
  const imageName = imageNames(deps.images);
  const fixed = fixedNetworks(deps.networks);
  const shown: object[] = [];
  for (const container of await deps.containers.list()) {
    const sizes = await listedSizes(deps, files, container).catch(unlessGone);
    if (sizes !== undefined)
      shown.push({
        ...containerSummary(container, now, { image: await imageName(container), fixed }),
        ...sizes,
      });
  }
  return shown;
}

async function volumePart({ volumes }: EngineDeps): Promise<readonly object[]> {
  const shown: object[] = [];
  for (const volume of await volumes.list()) {
    // What is mounted from elsewhere is not this host's usage, and dockerd leaves it out.
    if (Object.keys(volume.options).length > 0) continue;
    shown.push({
      ...volumeJson(volume),
      UsageData: {
        RefCount: volumes.users(volume.name).length,
        Size: await folderSize(volume.mountpoint),
      },
    });
  }
  return shown;
}

async function cachePart({ build }: EngineDeps, signal: AbortSignal): Promise<readonly object[]> {
  return ((await build?.cache.records(signal)) ?? []).map(cacheRecordJson);
}

function unlessGone(error: unknown): undefined {
  if (error instanceof EngineError && error.code === 'not-found') return undefined;
  throw error;
}
