import type { Router } from '@koa/router';
import type { Digest } from '../../../oci/digest.ts';
import { EngineError } from '../../errors.ts';
import type { Image } from '../../images/image.ts';
import { folderSize } from '../../volumes/folder-size.ts';
import { asksBefore } from '../api-version.ts';
import type { ContainerFilesDeps, EngineDeps } from '../engine-deps.ts';
import { requestSignal } from '../http/connection-end.ts';
import { answerJson, jsonList } from '../http/json.ts';
import { containerSummary } from '../views/container-summary.ts';
import { cacheRecordJson, type LayerUsage, layerUsage } from '../views/disk-usage.ts';
import { imageSummary, virtualSize } from '../views/image-summary.ts';
import { fixedNetworks } from '../views/network-settings.ts';
import { volumeJson } from '../views/volume.ts';
import { listedSizes, unlessGone } from './container-sizes.ts';
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
    const isOld = asksBefore(ctx, '1.44');
    async function* answer(): AsyncGenerator<string> {
      const images = wants('image') ? await deps.images.list() : undefined;
      const usage = images && (await measureLayers(deps, images));
      yield `{"LayersSize":${usage?.total ?? 0},"Images":`;
      yield* listOrNull(images && usage && imageItems(deps, images, usage, isOld));
      yield ',"Containers":';
      yield* listOrNull(wants('container') ? containerItems(deps, files) : undefined);
      yield ',"Volumes":';
      yield* listOrNull(wants('volume') ? volumeItems(deps) : undefined);
      yield ',"BuildCache":';
      const signal = requestSignal(ctx.res, deps.stopping);
      yield* listOrNull(wants('build-cache') ? await cachePart(deps, signal) : undefined);
      yield '}';
    }
    await answerJson(ctx, answer());
  });
}

/** Measures how the layers of images share the disk now. */
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

async function* listOrNull(
  items: Iterable<object> | AsyncIterable<object> | undefined,
): AsyncGenerator<string> {
  if (items === undefined) yield 'null';
  else yield* jsonList(items);
}

async function* imageItems(
  deps: EngineDeps,
  images: readonly Image[],
  usage: LayerUsage,
  isOld: boolean,
): AsyncGenerator<object> {
  const users = Map.groupBy(await deps.containers.list(), ({ imageId }) => imageId);
  for (const image of images) {
    yield {
      ...imageSummary(image, image),
      ...virtualSize(image, isOld),
      Containers: users.get(image.id)?.length ?? 0,
      SharedSize: usage.shared(image),
    };
  }
}

async function* containerItems(deps: EngineDeps, files: ContainerFilesDeps): AsyncGenerator<object> {
  const now = Date.now();
  const imageName = imageNames(deps.images);
  const fixed = fixedNetworks(deps.networks);
  for (const container of await deps.containers.list()) {
    const sizes = await listedSizes(deps, files, container).catch(unlessGone);
    if (sizes === undefined) continue;
    yield { ...containerSummary(container, now, { image: await imageName(container), fixed }), ...sizes };
  }
}

async function* volumeItems({ volumes }: EngineDeps): AsyncGenerator<object> {
  for (const volume of await volumes.list()) {
    // A file system mounted from elsewhere is not usage of this host, and dockerd omits it.
    if (Object.keys(volume.options).length > 0) continue;
    const Size = await folderSize(volume.mountpoint);
    yield { ...volumeJson(volume), UsageData: { RefCount: volumes.users(volume.name).length, Size } };
  }
}

async function cachePart({ build }: EngineDeps, signal: AbortSignal): Promise<readonly object[]> {
  return ((await build?.cache.records(signal)) ?? []).map(cacheRecordJson);
}
