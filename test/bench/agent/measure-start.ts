import type { Figure } from '../measurement.ts';
import type { BerthEngine } from './engine.ts';

/** Milliseconds from the start of the agent until it is ready, with many containers and images known. */
export async function measureStart(
  engine: BerthEngine,
  image: string,
  counts: { readonly containers: number; readonly images: number; readonly rounds: number },
): Promise<readonly Figure[]> {
  for (let made = 0; made < counts.images; made += 1) await engine.run(['tag', image, `bench/image:${made}`]);
  for (let made = 0; made < counts.containers; made += 1) await engine.run(['create', image, 'true']);
  const times: number[] = [];
  for (let round = 0; round < counts.rounds; round += 1) {
    await engine.agent.stop();
    const start = performance.now();
    await engine.agent.restart();
    times.push(performance.now() - start);
  }
  const value = times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN;
  const name = `start with ${counts.containers} containers and ${counts.images} images`;
  return [{ name, unit: 'ms', better: 'lower', value }];
}
