import { randomUUID } from 'node:crypto';
import { availableParallelism, cpus, release } from 'node:os';
import { parseArgs } from 'node:util';
import { type CleanupScope, withCleanup } from '../support/cleanup.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { startRegistry } from '../support/registry-process.ts';
import { startCeph } from '../support/s3/ceph-rgw.ts';
import { makeBucket, type S3Server, storageUrl, useCredentials } from '../support/s3/s3-server.ts';
import { startTlsFront } from '../support/s3/tls-front.ts';
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
 * one Ceph RGW, in turns. Prints a Markdown table.
 */

const HELP = `node test/bench/s3.ts [--tls] [--rounds=3] [--blob-size=1000000000] [--small-blobs=2000]
                      [--uploads=8] [--upload-size=1000000000] [--closing-size=4000000000]
                      [--redirects=200] [--garbage=50000] [--disk=24]

  --tls           both reach the S3 server through TLS, which HAProxy puts before it
  --rounds        how often each server is measured
  --blob-size     bytes of the large blob
  --small-blobs   how many small blobs are pushed
  --uploads       how many uploads run at once when memory is measured
  --upload-size   bytes of each of them
  --closing-size  bytes of the upload whose closing PUT is measured
  --redirects     how many redirected downloads are asked for
  --garbage       how many blobs there are when garbage is collected
  --disk          GiB of the S3 server's disk

Of a kind that is given the number 0 nothing is measured.`;

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

function readOptions(): typeof DEFAULTS & { readonly tls: boolean } {
  const names = Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[];
  const { values } = parseArgs({
    options: {
      ...Object.fromEntries(names.map((name) => [name, { type: 'string' } as const])),
      tls: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if ('help' in values) {
    console.log(HELP);
    process.exit(0);
  }
  const options = { ...DEFAULTS, tls: 'tls' in values };
  const given: Readonly<Record<string, unknown>> = values;
  for (const name of names) {
    const value = Number(given[name] ?? DEFAULTS[name]);
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
      secure: s3.endpoint.startsWith('https:'),
      bucket: BUCKET,
      rootdirectory: `/${randomUUID()}`,
    },
  });
  return [
    { name: 'Berth', url: berth.url, process: berth.process },
    { name: 'docker-registry', url: peer.url, process: peer.process },
  ];
}

/** The server behind TLS, whose authority all processes that are started from now on trust. */
async function trustedFront(scope: CleanupScope, ceph: S3Server): Promise<S3Server> {
  const { server, authority } = await startTlsFront(scope, ceph);
  process.env.NODE_EXTRA_CA_CERTS = authority;
  process.env.SSL_CERT_FILE = authority;
  return server;
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
  const ceph = await startCeph(scope, { disk: options.disk });
  useCredentials(ceph);
  await makeBucket(ceph, BUCKET);
  const s3 = options.tls ? await trustedFront(scope, ceph) : ceph;
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
  console.log(`${options.rounds} rounds, on ${s3.name}${options.tls ? ' behind TLS' : ''}\n`);
  if (results.size > 0) console.log(resultsTable(results));
  if (options.garbage > 0) console.log(`\n${await measureGarbage(scope, ceph, BUCKET, options.garbage)}`);
});
