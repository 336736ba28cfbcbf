import type { Figure } from '../measurement.ts';
import type { ContainerEngine } from './engine.ts';
import { EngineApi } from './engine-api.ts';

/** How often each is done. */
export interface RunCounts {
  readonly commands: number;
  readonly calls: number;
}

/** Milliseconds of the everyday commands, and of containers made without the docker command. `image` is there. */
export async function measureRuns(
  engine: ContainerEngine,
  image: string,
  counts: RunCounts,
): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  const add = (name: string, value: number) => figures.push({ name, unit: 'ms', better: 'lower', value });
  add('run --rm true', await medianOf(counts.commands, () => engine.run(['run', '--rm', image, 'true'])));
  const hostRun = ['run', '--rm', '--network', 'none', image, 'true'];
  add('run --rm --network none true', await medianOf(counts.commands, () => engine.run(hostRun)));
  const name = 'bench-exec';
  await engine.run(['run', '--detach', '--name', name, image, 'sleep', '1000']);
  add('exec true', await medianOf(counts.commands, () => engine.run(['exec', name, 'true'])));
  await engine.run(['rm', '--force', name]);
  if (engine.socket === undefined) return figures;
  const api = new EngineApi(engine.socket);
  add('API: create, start, wait, remove', await meanOf(counts.calls, 1, () => api.runOnce(image)));
  add('the same, 8 at once', await meanOf(counts.calls, 8, () => api.runOnce(image)));
  api.close();
  return figures;
}

async function medianOf(count: number, work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let done = 0; done < count; done += 1) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[Math.floor(count / 2)] ?? Number.NaN;
}

/** Time for all, over their number. */
async function meanOf(count: number, atOnce: number, work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  let begun = 0;
  const worker = async () => {
    while (begun < count) {
      begun += 1;
      await work();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return (performance.now() - start) / count;
}
