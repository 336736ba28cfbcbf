import { randomUUID } from 'node:crypto';
import { availableParallelism, cpus, release } from 'node:os';
import { parseArgs } from 'node:util';
import { type CleanupScope, withCleanup } from '../support/cleanup.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { startRegistry } from '../support/registry-process.ts';
import { startCeph } from '../support/s3/ceph-rgw.ts';
import { makeBucket, type S3Server, storageUrl, useCredentials } from '../support/s3/s3-server.ts';
import { measureClosingPut } from './closing-put.ts';
import { measureConcurrentUploads } from './concurrent-uploads.ts';
import { measureLargeBlob } from './large-blob.ts';
import type { BenchServer, Figure, Measurement } from './measurement.ts';
import { measureRedirects } from './redirects.ts';
import { resultsTable } from './results-table.ts';
import { measureGarbage } from './s3-garbage.ts';
import { measureSmallBlobs } from './small-blobs.ts';

/*
 * `node test/bench/s3.ts`: Berth's registry on S3 beside Debian's docker-registry on its s3 driver, in one run, on
 * one Ceph RGW, in turns. Prints a Markdown table. Of a kind that is given the number 0 nothing is measured.
 */

const DEFAULTS = {
  rounds: 3,
  'blob-size': 1_000_000_000,
  uploads: 8,
  'upload-size': 1_000_000_000,
  'closing-size': 4_000_000_000,
  'small-blobs': 2_000,
  redirects: 200,
  garbage: 50_000,
  /** GiB of the server's disk. */
  disk: 24,
};
const BUCKET = 'bench';

function readOptions(): typeof DEFAULTS {
  const names = Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[];
  const { values } = parseArgs({
    options: Object.fromEntries(names.map((name) => [name, { type: 'string' } as const])),
  });
  const options = { ...DEFAULTS };
  for (const name of names) {
    const value = Number(values[name] ?? DEFAULTS[name]);
    if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} must be a whole number`);
    options[name] = value;
  }
  return options;
}

async function startServers(
  scope: CleanupScope,
  s3: S3Server,
  redirect: boolean,
): Promise<readonly BenchServer[]> {
  const url = storageUrl(s3.endpoint, BUCKET, randomUUID());
  const berth = await startRegistry(scope, {
    args: ['--storage', url, '--redirect', redirect ? 'always' : 'never'],
  });
  const peer = await startDockerRegistry(scope, undefined, {
    redirect: { disable: !redirect },
    s3: {
      accesskey: s3.env.AWS_ACCESS_KEY_ID,
      secretkey: s3.env.AWS_SECRET_ACCESS_KEY,
      region: 'us-east-1',
      regionendpoint: s3.endpoint,
      forcepathstyle: true,
      secure: false,
      bucket: BUCKET,
      rootdirectory: `/${randomUUID()}`,
    },
  });
  return [
    { name: 'Berth', url: berth.url, process: berth.process },
    { name: 'docker-registry', url: peer.url, process: peer.process },
  ];
}

async function measure(
  servers: readonly BenchServer[],
  measurements: readonly Measurement[],
  rounds: number,
  signal: AbortSignal,
  results: Map<string, Figure[]>,
): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    // Who goes first changes, so that neither always finds the machine as the other left it.
    const order = round % 2 === 0 ? servers : servers.toReversed();
    for (const take of measurements) {
      for (const server of order) {
        signal.throwIfAborted();
        const figures = await take(server, round, signal);
        results.set(server.name, [...(results.get(server.name) ?? []), ...figures]);
        const line = figures.map(({ value, unit }) => `${value.toFixed(1)} ${unit}`).join(', ');
        console.error(`round ${round + 1}, ${server.name}, ${figures[0]?.name}: ${line}`);
      }
    }
  }
}

const options = readOptions();
// Debian's docker-registry does not start with it.
delete process.env.AWS_CA_BUNDLE;
await withCleanup(async (scope, signal) => {
  const s3 = await startCeph(scope, { disk: options.disk });
  useCredentials(s3);
  await makeBucket(s3, BUCKET);
  const results = new Map<string, Figure[]>();
  const streamed = [
    ...(options['blob-size'] > 0 ? [measureLargeBlob(options['blob-size'], { many: false })] : []),
    ...(options['small-blobs'] > 0 ? [measureSmallBlobs(options['small-blobs'])] : []),
    ...(options.uploads > 0 ? [measureConcurrentUploads(options.uploads, options['upload-size'])] : []),
    ...(options['closing-size'] > 0 ? [measureClosingPut(options['closing-size'])] : []),
  ];
  await measure(await startServers(scope, s3, false), streamed, options.rounds, signal, results);
  if (options.redirects > 0) {
    const redirecting = await startServers(scope, s3, true);
    await measure(redirecting, [measureRedirects(options.redirects)], options.rounds, signal, results);
  }
  console.log(
    `${cpus()[0]?.model.trim()}, ${availableParallelism()} CPUs, Linux ${release()}, Node ${process.version};`,
  );
  console.log(`${options.rounds} rounds, on ${s3.name}\n`);
  if (results.size > 0) console.log(resultsTable(results));
  if (options.garbage > 0) console.log(`\n${await measureGarbage(scope, s3, BUCKET, options.garbage)}`);
});
