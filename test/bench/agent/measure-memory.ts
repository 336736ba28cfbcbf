import type { Figure } from '../measurement.ts';
import type { ContainerEngine } from './engine.ts';

/** Memory (PSS) of an engine and its helpers with `count` containers, and what each container adds. `image` is there. */
export async function measureMemory(
  engine: ContainerEngine,
  image: string,
  count: number,
): Promise<readonly Figure[]> {
  const before = await engine.memory();
  const ids: string[] = [];
  for (let made = 0; made < count; made += 1) {
    ids.push((await engine.run(['run', '--detach', image, 'sleep', '1000'])).stdout.trim());
  }
  const after = await engine.memory();
  await engine.run(['rm', '--force', ...ids], { timeoutMs: 300_000 });
  const megabytes = (bytes: number) => bytes / 1e6;
  return [
    { name: `memory with ${count} containers`, unit: 'MB', better: 'lower', value: megabytes(after) },
    { name: 'memory for each', unit: 'MB', better: 'lower', value: megabytes(after - before) / count },
  ];
}
