import type { Figure } from '../measurement.ts';
import { type ContainerEngine, dropCaches } from './engine.ts';
import { EngineApi } from './engine-api.ts';

/** Seconds until images that are not here have been pulled, all at once by the API, and the processor time. They are gone afterwards. */
export async function measureManyPulls(
  engine: ContainerEngine,
  images: readonly string[],
): Promise<readonly Figure[]> {
  if (engine.socket === undefined) return [];
  const api = new EngineApi(engine.socket);
  await dropCaches();
  const cpuBefore = await engine.cpuSeconds();
  const start = performance.now();
  await Promise.all(images.map((image) => api.pull(image)));
  const pulled = (performance.now() - start) / 1000;
  const cpu = (await engine.cpuSeconds()) - cpuBefore;
  for (const image of images) await api.call('DELETE', `/images/${image}?force=true`);
  api.close();
  const what = `${images.length} pulls of small images at once`;
  return [
    { name: what, unit: 's', better: 'lower', value: pulled },
    { name: `${what}: processor time`, unit: 's', better: 'lower', value: cpu },
  ];
}
