import { randomUUID } from 'node:crypto';
import { type Digest, parseDigest } from '../../oci/digest.ts';
import { openStoredRegistry } from '../../server/cli/stored-registry.ts';
import { ContentStore } from '../../storage/content-store.ts';
import { collectGarbage } from '../../storage/gc/collect-garbage.ts';
import { garbagePolicy } from '../../storage/gc/garbage-policy.ts';
import type { CleanupScope } from '../support/cleanup.ts';
import { digestOf } from '../support/content.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { OCI_MANIFEST } from '../support/registry-client.ts';
import { type S3Server, settingsFor } from '../support/s3/s3-server.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const WRITERS = 16;
const LAYERS = 900;
const LAYER = 'application/vnd.oci.image.layer.v1.tar';

/** Stores `count` small blobs, a tenth of which nothing refers to, and says what collecting these takes. */
export async function measureGarbage(
  scope: CleanupScope,
  server: S3Server,
  bucket: string,
  count: number,
): Promise<string> {
  const proxy = await startFaultProxy(scope, server.endpoint);
  const data = await makeTempDir(scope, 'garbage');
  const storage = settingsFor(proxy.url, bucket, randomUUID(), 8 * 1024 * 1024);
  await using registry = await openStoredRegistry({ data, storage }, { make: true });
  const content = new ContentStore(registry.catalog, registry.blobs);
  const numbers = Array.from({ length: count }, (_, number) => number);
  const digests: Digest[] = [];
  const queue = numbers.values();
  const write = async () => {
    for (const number of queue) {
      const bytes = Buffer.from(`blob ${number}`);
      const digest = digestOf(bytes);
      await content.putBlob('bench/garbage', bytes, digest);
      if (number % 10 !== 0) digests.push(digest);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, write));
  for (let start = 0; start < digests.length; start += LAYERS) {
    const references = digests.slice(start, start + LAYERS).map((digest) => ({
      kind: 'layer' as const,
      digest,
      mediaType: LAYER,
      size: 1,
    }));
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_MANIFEST, start }));
    const manifest = { digest: parseDigest(digestOf(bytes)), bytes, mediaType: OCI_MANIFEST, references };
    await content.putManifest('bench/garbage', manifest, { tags: [`${start}`], requireManifests: true });
  }
  const before = proxy.requests.length;
  const began = performance.now();
  const report = await collectGarbage({ ...registry, policy: garbagePolicy(0, false) });
  const seconds = (performance.now() - began) / 1000;
  const calls = Map.groupBy(proxy.requests.slice(before), operationOf);
  const summary = [...calls].map(([name, requests]) => `${requests.length} ${name}`).join(', ');
  return `GC of ${count} blobs: ${report?.blobs} deleted in ${seconds.toFixed(1)} s by ${summary}`;
}

function operationOf(request: string): string {
  if (request.startsWith('POST') && request.includes('?delete')) return 'DeleteObjects';
  if (request.includes('list-type=2')) return 'ListObjectsV2';
  if (request.startsWith('GET') && request.includes('uploads')) return 'ListMultipartUploads';
  return request.split(' ')[0] ?? '';
}
