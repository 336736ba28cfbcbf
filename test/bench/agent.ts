import { parseArgs } from 'node:util';
import { enterAgentNamespace } from '../support/agent-namespace.ts';
import { type CleanupScope, withCleanup } from '../support/cleanup.ts';
import { imageFolder } from '../support/image-cache.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { pushLayout } from '../support/push-layout.ts';
import { startRegistry } from '../support/registry-process.ts';
import { makeBusyboxImage } from '../support/test-images.ts';
import { comparisonTable } from './agent/comparison-table.ts';
import { type ContainerEngine, startBerth, startDocker, startPodman } from './agent/engine.ts';
import { makeManyFilesImage } from './agent/many-files-image.ts';
import { measureManyPulls } from './agent/measure-many-pulls.ts';
import { measureMemory } from './agent/measure-memory.ts';
import { measurePull } from './agent/measure-pulls.ts';
import { measureRuns } from './agent/measure-runs.ts';
import { measureStart } from './agent/measure-start.ts';
import type { Figure } from './measurement.ts';

/*
 * `node test/bench/agent.ts`: the agent beside Debian's dockerd and podman, in one run, on the same images and disk, in
 * turns. Needs root. Prints a Markdown table of medians.
 */

const HELP = `node test/bench/agent.ts [--rounds=2] [--commands=30] [--calls=200] [--containers=50]
                         [--pull-megabytes=2000] [--small-files=60000] [--known=200]
                         [--small-images=50]

  --rounds          how often each engine is measured
  --commands        docker commands of each kind in a round
  --calls           containers that are made by the API alone
  --containers      containers that run at once when memory is measured
  --pull-megabytes  uncompressed bytes of the image of 4 layers with 105,000 files
  --small-files     files of the layer of small files
  --small-images    images of 4 small layers, 3 of them their own, that are pulled at once
  --known           containers that are there when the agent's start is measured

Of a kind that is given the number 0 nothing is measured.`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '2' },
    commands: { type: 'string', default: '30' },
    calls: { type: 'string', default: '200' },
    containers: { type: 'string', default: '50' },
    'pull-megabytes': { type: 'string', default: '2000' },
    'small-files': { type: 'string', default: '60000' },
    'small-images': { type: 'string', default: '50' },
    known: { type: 'string', default: '200' },
    help: { type: 'boolean' },
  },
});
if (values.help === true) {
  console.log(HELP);
  process.exit(0);
}
enterOwnNetwork();
enterAgentNamespace();
await withCleanup(run);

async function run(scope: CleanupScope): Promise<void> {
  const folder = await imageFolder(scope);
  const registry = await startRegistry(scope);
  const image = `${registry.host}/bench/busybox:1`;
  await pushLayout(await makeBusyboxImage(folder), image);
  const pulls = await preparePulls(folder, registry.host);
  const smallImages = await prepareSmallImages(folder, registry.host);

  const berth = await startBerth(scope);
  const engines: readonly ContainerEngine[] = [
    berth,
    await startDocker(scope),
    await startPodman(scope, 'crun'),
  ];
  for (const engine of engines) {
    const tls = engine.name.startsWith('podman') ? ['--tls-verify=false'] : [];
    await engine.run(['pull', '--quiet', ...tls, image]);
  }
  const results = new Map<string, Figure[]>(engines.map(({ name }) => [name, []]));
  const note = (engine: ContainerEngine, figures: readonly Figure[]) => {
    results.get(engine.name)?.push(...figures);
    for (const { name, unit, value } of figures) {
      console.error(`${engine.name}: ${name}: ${value.toPrecision(4)} ${unit}`);
    }
  };
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const engine of engines) {
      const counts = { commands: Number(values.commands), calls: Number(values.calls) };
      if (counts.commands > 0) note(engine, await measureRuns(engine, image, counts));
    }
    for (const { what, reference, readsAll } of pulls) {
      for (const engine of engines) note(engine, await measurePull(engine, what, reference, { readsAll }));
    }
    if (smallImages.length > 0) {
      for (const engine of engines) note(engine, await measureManyPulls(engine, smallImages));
    }
    if (Number(values.containers) > 0) {
      for (const engine of engines)
        note(engine, await measureMemory(engine, image, Number(values.containers)));
    }
  }
  if (Number(values.known) > 0) {
    const counts = { containers: Number(values.known), images: 100, rounds: 5 };
    note(berth, await measureStart(berth, image, counts));
  }
  console.log(comparisonTable(results));
}

async function preparePulls(folder: string, host: string) {
  const pulls: { readonly what: string; readonly reference: string; readonly readsAll: boolean }[] = [];
  const prepare = async (
    name: string,
    layers: Parameters<typeof makeManyFilesImage>[2],
    readsAll: boolean,
  ) => {
    const files = layers.reduce((sum, layer) => sum + layer.files, 0);
    const bytes = layers.reduce((sum, layer) => sum + layer.files * layer.size, 0);
    const reference = `${host}/bench/${name}:1`;
    await pushLayout(await makeManyFilesImage(folder, `${name}-${files}-${bytes}`, layers), reference);
    pulls.push({ what: `pull of ${(bytes / 1e6).toFixed(0)} MB, ${files} files`, reference, readsAll });
  };
  const megabytes = Number(values['pull-megabytes']);
  if (megabytes > 0) {
    const size = Math.round((megabytes * 1e6) / 105_000 / 4) * 4;
    await prepare(
      'four',
      [26_000, 26_000, 26_000, 27_000].map((files) => ({ files, size })),
      true,
    );
  }
  const smallFiles = Number(values['small-files']);
  if (smallFiles > 0) await prepare('small', [{ files: smallFiles, size: 1024 }], false);
  return pulls;
}

async function prepareSmallImages(folder: string, host: string): Promise<readonly string[]> {
  const references: string[] = [];
  for (let number = 0; number < Number(values['small-images']); number += 1) {
    const name = `small-image-${number}`;
    const layers = [20, 40, 60].map((files) => ({ files, size: 512 + number * 16 }));
    references.push(`${host}/bench/${name}:1`);
    await pushLayout(await makeManyFilesImage(folder, name, layers), `${host}/bench/${name}:1`);
  }
  return references;
}
