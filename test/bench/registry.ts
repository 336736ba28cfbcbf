import { accessSync, constants } from 'node:fs';
import { availableParallelism, cpus, release } from 'node:os';
import { delimiter, join } from 'node:path';
import { parseArgs } from 'node:util';
import { type CleanupScope, withCleanup } from '../support/cleanup.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { imageFolder } from '../support/image-cache.ts';
import { pushLayout } from '../support/push-layout.ts';
import { startRegistry } from '../support/registry-process.ts';
import { makeBusyboxImage } from '../support/test-images.ts';
import { measureConcurrentUploads } from './concurrent-uploads.ts';
import { measureFullCatalog } from './full-catalog.ts';
import { measureHeads } from './heads-per-second.ts';
import { measureLargeBlob } from './large-blob.ts';
import type { BenchServer, Figure, Measurement } from './measurement.ts';
import { measureRequests } from './requests-per-second.ts';
import { resultsTable } from './results-table.ts';
import { measureSmallBlobs } from './small-blobs.ts';

/*
 * `npm run bench`: Berth's registry beside Debian's docker-registry, in one run, on the same content, over
 * fresh folders of the same file system, in turns. Prints a Markdown table.
 */

const HELP = `npm run bench -- [--rounds=3] [--seconds=3] [--blob-size=1000000000] [--small-blobs=5000]
                 [--uploads=64] [--upload-size=256000000] [--manifests=100000]

  --rounds       how often each server is measured
  --seconds      how long wrk asks for a manifest
  --blob-size    bytes of the large blob
  --small-blobs  how many small blobs are pushed
  --uploads      how many uploads run at once when memory is measured
  --upload-size  bytes of each of them
  --manifests    how many manifests, each with a tag, are in the catalog when the start is measured

Of a kind that is given the number 0 nothing is measured.`;

const DEFAULTS = {
  rounds: 3,
  seconds: 3,
  'blob-size': 1_000_000_000,
  'small-blobs': 5000,
  uploads: 64,
  'upload-size': 256_000_000,
  manifests: 100_000,
};

/** Tags of the image that is asked for. */
const TAGS = 10;
const MANIFEST = '/v2/bench/app/manifests/1';

type BenchOptions = Readonly<Record<keyof typeof DEFAULTS, number>>;

function readOptions(): BenchOptions {
  const names = Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[];
  const { values } = parseArgs({
    options: {
      ...Object.fromEntries(names.map((name) => [name, { type: 'string' } as const])),
      help: { type: 'boolean' },
    },
  });
  if ('help' in values) {
    console.log(HELP);
    process.exit(0);
  }
  const given: Readonly<Record<string, unknown>> = values;
  const options = { ...DEFAULTS };
  for (const name of names) {
    const value = Number(given[name] ?? DEFAULTS[name]);
    if (!Number.isSafeInteger(value) || value < (name === 'rounds' ? 1 : 0)) {
      throw new Error(`--${name} must be a whole number`);
    }
    options[name] = value;
  }
  return options;
}

function isInstalled(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

async function startServers(scope: CleanupScope): Promise<readonly BenchServer[]> {
  const image = await makeBusyboxImage(await imageFolder(scope));
  const berth = await startRegistry(scope);
  const peer = await startDockerRegistry(scope);
  for (const { host } of [berth, peer]) {
    for (let tag = 1; tag <= TAGS; tag += 1) await pushLayout(image, `${host}/bench/app:${tag}`);
  }
  return [
    { name: 'Berth', url: berth.url, process: berth.process },
    { name: 'docker-registry', url: peer.url, process: peer.process },
  ];
}

function measurementsOf(options: BenchOptions): readonly Measurement[] {
  const { seconds, uploads } = options;
  return [
    ...(seconds > 0
      ? [
          measureRequests('manifest GET by tag', MANIFEST, seconds),
          measureHeads('manifest HEAD by tag', MANIFEST, seconds),
          measureRequests(`list of ${TAGS} tags`, '/v2/bench/app/tags/list', seconds),
        ]
      : []),
    ...(options['blob-size'] > 0 ? [measureLargeBlob(options['blob-size'])] : []),
    ...(options['small-blobs'] > 0 ? [measureSmallBlobs(options['small-blobs'])] : []),
    ...(uploads > 0 ? [measureConcurrentUploads(uploads, options['upload-size'])] : []),
  ];
}

async function measureAll(
  servers: readonly BenchServer[],
  options: BenchOptions,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Figure[]>> {
  const measurements = measurementsOf(options);
  const results = new Map<string, Figure[]>(servers.map(({ name }) => [name, []]));
  for (let round = 0; round < options.rounds; round += 1) {
    // Who goes first changes, so that neither always finds the machine as the other left it.
    const order = round % 2 === 0 ? servers : servers.toReversed();
    for (const measure of measurements) {
      for (const server of order) {
        signal.throwIfAborted();
        const figures = await measure(server, round, signal);
        results.get(server.name)?.push(...figures);
        const line = figures.map(({ value, unit }) => `${value.toFixed(1)} ${unit}`).join(', ');
        console.error(`round ${round + 1}, ${server.name}, ${figures[0]?.name}: ${line}`);
      }
    }
  }
  return results;
}

async function main(): Promise<void> {
  const options = readOptions();
  const missing = ['wrk', 'docker-registry'].filter((program) => !isInstalled(program));
  if (missing.length > 0) {
    throw new Error(`the benchmark needs ${missing.join(' and ')}: apt-get install ${missing.join(' ')}`);
  }
  const results = await withCleanup(async (scope, signal) =>
    measureAll(await startServers(scope), options, signal),
  );
  const { manifests, rounds } = options;
  if (manifests > 0) {
    const others = await withCleanup((scope) => measureFullCatalog(scope, manifests, rounds));
    for (const [name, figures] of others) results.get(name)?.push(...figures);
  }
  console.log(
    `${cpus()[0]?.model.trim()}, ${availableParallelism()} CPUs, Linux ${release()}, Node ${process.version};`,
  );
  console.log(
    `${rounds} rounds, blob of ${options['blob-size']} bytes, ${options['small-blobs']} small blobs\n`,
  );
  console.log(resultsTable(results));
}

try {
  await main();
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 2;
}
