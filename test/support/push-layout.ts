import { type HttpRequest, sendRequest } from './http-client.ts';
import { type LayoutDescriptor, openBlob, readBlob, readManifest } from './oci-layout.ts';
import type { TestImage } from './test-image.ts';

type User = NonNullable<HttpRequest['user']>;

/**
 * Pushes an image byte for byte over the distribution API (POST, one PUT, then the manifests, children
 * before their index), with none of the checks that real clients make, so that broken images arrive as
 * they are. `target` is `HOST:PORT/NAME:TAG`. Throws when the registry refuses a part.
 */
export async function pushLayout(image: TestImage, target: string, user?: User): Promise<void> {
  const [, host, name, tag] = /^([^/]+)\/(.+):([^:/]+)$/.exec(target) ?? [];
  if (host === undefined || name === undefined || tag === undefined) {
    throw new Error(`"${target}" is no HOST:PORT/NAME:TAG`);
  }
  const base = `http://${host}/v2/${name}`;
  await pushManifest(base, image.layout, image, tag, user);
}

/** Uploads one blob of a layout by POST and PUT unless the repository has it. */
export async function pushBlob(
  base: string,
  layout: string,
  blob: LayoutDescriptor,
  user?: User,
): Promise<void> {
  const auth = user === undefined ? {} : { user };
  const known = await sendRequest(`${base}/blobs/${blob.digest}`, { method: 'HEAD', ...auth });
  if (known.status === 200) return;
  const begun = await sendRequest(`${base}/blobs/uploads/`, { method: 'POST', ...auth });
  const location = begun.headers.location;
  if (begun.status !== 202 || location === undefined) {
    throw new Error(`POST ${base}/blobs/uploads/ answered ${begun.status}: ${begun.body}`);
  }
  const url = new URL(location, base);
  url.searchParams.append('digest', blob.digest);
  const done = await sendRequest(url.href, {
    method: 'PUT',
    headers: { 'content-type': 'application/octet-stream', 'content-length': `${blob.size}` },
    body: openBlob(layout, blob.digest),
    ...auth,
  });
  if (done.status !== 201) throw new Error(`PUT ${url.href} answered ${done.status}: ${done.body}`);
}

async function pushManifest(
  base: string,
  layout: string,
  { digest, mediaType }: Pick<LayoutDescriptor, 'digest' | 'mediaType'>,
  reference: string,
  user?: User,
): Promise<void> {
  const manifest = await readManifest(layout, digest);
  for (const child of manifest.manifests ?? []) await pushManifest(base, layout, child, child.digest, user);
  const blobs = [...(manifest.layers ?? []), ...(manifest.config === undefined ? [] : [manifest.config])];
  for (const blob of blobs) await pushBlob(base, layout, blob, user);
  const answer = await sendRequest(`${base}/manifests/${reference}`, {
    method: 'PUT',
    headers: { 'content-type': mediaType },
    body: await readBlob(layout, digest),
    ...(user === undefined ? {} : { user }),
  });
  if (answer.status !== 201) {
    throw new Error(`PUT ${base}/manifests/${reference} answered ${answer.status}: ${answer.body}`);
  }
}
