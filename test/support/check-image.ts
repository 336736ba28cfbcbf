import { fetchDigest } from './fetch-digest.ts';
import { sendRequest } from './http-client.ts';
import type { LayoutManifest } from './oci-layout.ts';

/**
 * Pulls an image, its index if it is one and every blob from `${registryUrl}/v2/${name}`, and checks each
 * digest. Throws when something is missing or differs.
 */
export async function checkImage(registryUrl: string, name: string, digest: string): Promise<void> {
  const base = `${registryUrl}/v2/${name}`;
  const found = await fetchDigest(`${base}/manifests/${digest}`);
  if (found !== digest) throw new Error(`${name}@${digest} has the content of ${found}`);
  const answer = await sendRequest(`${base}/manifests/${digest}`);
  const manifest = JSON.parse(answer.body.toString('utf8')) as LayoutManifest;
  for (const child of manifest.manifests ?? []) await checkImage(registryUrl, name, child.digest);
  const blobs = [...(manifest.layers ?? []), ...(manifest.config === undefined ? [] : [manifest.config])];
  for (const blob of blobs) {
    const content = await fetchDigest(`${base}/blobs/${blob.digest}`);
    if (content !== blob.digest)
      throw new Error(`${name}: blob ${blob.digest} has the content of ${content}`);
  }
}
