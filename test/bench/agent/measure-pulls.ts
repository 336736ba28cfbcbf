import type { Figure } from '../measurement.ts';
import { type ContainerEngine, dropCaches } from './engine.ts';

const PULL_TIMEOUT = 600_000;

/** Seconds until an image that is not here has run, and the processor time that it took. It is gone afterwards. */
export async function measurePull(
  engine: ContainerEngine,
  what: string,
  image: string,
  options: { readonly readsAll: boolean },
): Promise<readonly Figure[]> {
  await dropCaches();
  const cpuBefore = await engine.cpuSeconds();
  const start = performance.now();
  const tls = engine.name.startsWith('podman') ? ['--tls-verify=false'] : [];
  await engine.run(['pull', '--quiet', ...tls, image], { timeoutMs: PULL_TIMEOUT });
  const pulled = (performance.now() - start) / 1000;
  await engine.run(['run', '--rm', '--network', 'none', image, 'true']);
  const ran = (performance.now() - start) / 1000;
  const cpu = (await engine.cpuSeconds()) - cpuBefore;
  const figures: Figure[] = [
    { name: `${what}: pulled`, unit: 's', better: 'lower', value: pulled },
    { name: `${what}: pulled and run`, unit: 's', better: 'lower', value: ran },
    { name: `${what}: processor time`, unit: 's', better: 'lower', value: cpu },
  ];
  if (options.readsAll) {
    await dropCaches();
    const readStart = performance.now();
    const read = 'find / -xdev -type f -exec cat {} + | wc -c';
    await engine.run(['run', '--rm', '--network', 'none', image, 'sh', '-c', read], {
      timeoutMs: PULL_TIMEOUT,
    });
    const value = (performance.now() - readStart) / 1000;
    figures.push({ name: `${what}: every file read, cold cache`, unit: 's', better: 'lower', value });
  }
  await engine.run(['rmi', '--force', image], { timeoutMs: PULL_TIMEOUT });
  return figures;
}
