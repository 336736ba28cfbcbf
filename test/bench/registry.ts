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
import { measureLargeBlob } from './large-blob.ts';
import { measureManifestGet } from './manifest-get.ts';
import type { BenchServer, Figure, Measurement } from './measurement.ts';
import { resultsTable } from './results-table.ts';
import { measureSmallBlobs } from './small-blobs.ts';

/*
 * `npm run bench`: Berth's registry beside Debian's docker-registry, in one run, on the same content, over
 * fresh folders of the same file system, in turns. Prints a Markdown table.
 */

const HELP = `npm run bench -- [--rounds=3] [--blob-size=1000000000] [--seconds=3] [--small-blobs=500]

  --rounds       how often each server is measured
  --blob-size    bytes of the large blob
  --seconds      how long wrk asks for a manifest
  --small-blobs  how many small blobs are pushed`;

interface BenchOptions {
  readonly rounds: number;
  readonly blobSize: number;
  readonly seconds: number;
  readonly smallBlobs: number;
}

function readOptions(): BenchOptions {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '3' },
      'blob-size': { type: 'string', default: '1000000000' },
      seconds: { type: 'string', default: '3' },
      'small-blobs': { type: 'string', default: '500' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  const count = (name: 'rounds' | 'blob-size' | 'seconds' | 'small-blobs'): number => {
    const value = Number(values[name]);
    if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} must be a whole number from 1`);
    return value;
  };
  return {
    rounds: count('rounds'),
    blobSize: count('blob-size'),
    seconds: count('seconds'),
    smallBlobs: count('small-blobs'),
  };
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
  for (const { host } of [berth, peer]) await pushLayout(image, `${host}/bench/app:1`);
  return [
    { name: 'Berth', url: berth.url, process: berth.process },
    { name: 'docker-registry', url: peer.url, process: peer.process },
  ];
}

async function measureAll(
  servers: readonly BenchServer[],
  options: BenchOptions,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly Figure[]>> {
  const measurements: readonly Measurement[] = [
    measureManifestGet('manifest GET by tag', '/v2/bench/app/manifests/1', options.seconds),
    measureLargeBlob(options.blobSize),
    measureSmallBlobs(options.smallBlobs),
  ];
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
  console.log(
    `${cpus()[0]?.model.trim()}, ${availableParallelism()} CPUs, Linux ${release()}, Node ${process.version};`,
  );
  console.log(
    `${options.rounds} rounds, blob of ${options.blobSize} bytes, ${options.smallBlobs} small blobs\n`,
  );
  console.log(resultsTable(results));
}

try {
  await main();
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 2;
}
