import { cp } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { enterAgentNamespace } from '../support/agent-namespace.ts';
import { type CleanupScope, withCleanup } from '../support/cleanup.ts';
import { imageFolder } from '../support/image-cache.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { pushLayout } from '../support/push-layout.ts';
import { startRegistry } from '../support/registry-process.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { makeBusyboxImage } from '../support/test-images.ts';
import { comparisonTable } from './agent/comparison-table.ts';
import {
  type BuildEngine,
  buildKitEngine,
  classicEngine,
  type RemoteCacheHosts,
  startBerthEngine,
  startBuildah,
  startDockerdHere,
} from './build/build-engine.ts';
import { changeSource, writeManyFiles, writeThreeStages, writeTwentySteps } from './build/contexts.ts';
import type { Figure } from './measurement.ts';

/*
 * `node test/bench/build.ts`: builds by the agent beside Debian's dockerd (classic builder and BuildKit) and buildah, in one
 * run, on the same contexts, in turns. Needs root. Prints a Markdown table of medians.
 */

const HELP = `node test/bench/build.ts [--rounds=3] [--files=60000] [--file-size=10000]

  --rounds     how often each engine is measured
  --files      files of the large COPY; 0 leaves it out
  --file-size  bytes of each of them`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    files: { type: 'string', default: '60000' },
    'file-size': { type: 'string', default: '10000' },
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
  const registry = await startRegistry(scope);
  const base = `${registry.host}/bench/base:1`;
  await pushLayout(await makeBusyboxImage(await imageFolder(scope)), base);
  const folder = await makeTempDir(scope, 'bench-build');
  await writeTwentySteps(join(folder, 'steps'), base);
  await writeThreeStages(join(folder, 'stages'), base);
  const files = Number(values.files);
  if (files > 0) await writeManyFiles(join(folder, 'many'), base, files, Number(values['file-size']));

  const dockerd = await startDockerdHere(scope);
  const engines = [
    await startBerthEngine(scope),
    classicEngine(dockerd),
    buildKitEngine(dockerd),
    await startBuildah(scope),
  ];
  const results = new Map<string, Figure[]>(engines.map(({ name }) => [name, []]));
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const engine of engines) {
      const measure = async (name: string, work: () => Promise<void>) => {
        const start = performance.now();
        await work();
        const value = (performance.now() - start) / 1000;
        results.get(engine.name)?.push({ name, unit: 's', better: 'lower', value });
        console.error(`${engine.name}: ${name}: ${value.toFixed(2)} s`);
      };
      await measureEngine(engine, folder, base, round, files, measure);
      const { remoteCache } = engine;
      if (remoteCache !== undefined) {
        await withCleanup((hosts) =>
          measureRemoteCache(hosts, remoteCache, join(folder, 'steps'), registry.host, measure),
        );
      }
    }
  }
  console.log(comparisonTable(results));
}

async function measureEngine(
  engine: BuildEngine,
  folder: string,
  base: string,
  round: number,
  files: number,
  measure: (name: string, work: () => Promise<void>) => Promise<void>,
): Promise<void> {
  await engine.forget();
  await engine.pull(base);
  const steps = join(folder, 'steps');
  await changeSource(steps, `round ${round}\n`);
  await measure('first build, 20 steps, 5,000 files', () => engine.build(steps, ['--tag', 'bench/steps']));
  await measure('nothing changed', () => engine.build(steps, ['--tag', 'bench/steps']));
  await changeSource(steps, `round ${round}, ${engine.name}\n`);
  await measure('one file changed', () => engine.build(steps, ['--tag', 'bench/steps']));
  await measure('cold, 3 independent stages', () =>
    engine.build(join(folder, 'stages'), ['--no-cache', '--tag', 'bench/stages']),
  );
  if (files > 0) {
    await measure(`COPY of ${files} files`, () =>
      engine.build(join(folder, 'many'), ['--no-cache', '--tag', 'bench/many']),
    );
  }
}

/** A host that has never built the project takes its steps from the registry, and the base image too. */
async function measureRemoteCache(
  scope: CleanupScope,
  hosts: RemoteCacheHosts,
  context: string,
  registry: string,
  measure: (name: string, work: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const copy = await makeTempDir(scope, 'bench-fresh');
  const cache = `${registry}/bench/cache:${basename(copy)}`;
  await cp(context, copy, { recursive: true, preserveTimestamps: false });
  const [writer, fresh] = [await hosts.writer(scope), await hosts.fresh(scope)];
  await writer.build(context, ['--tag', 'bench/steps', '--cache-to', `type=registry,ref=${cache},mode=max`]);
  await measure('fresh host, cache of the registry', () =>
    fresh.build(copy, ['--tag', 'bench/steps', '--cache-from', `type=registry,ref=${cache}`]),
  );
}
