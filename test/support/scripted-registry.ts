import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CleanupScope, defer } from './cleanup.ts';
import { type LayoutDescriptor, readBlob, readManifest } from './oci-layout.ts';
import type { TestImage } from './test-image.ts';

/** A registry that fails as the test tells it. */
export interface ScriptedRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** `METHOD PATH [RANGE]` of each request, in order. */
  readonly requests: readonly string[];
  /** Tried before the ordinary answer; true when it has answered, or will. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
}

/** Serves the content of images as repository `team/app`, each under its refName as tag; ranges too. It ends with `scope`. */
export async function startScriptedRegistry(
  scope: CleanupScope,
  ...images: readonly TestImage[]
): Promise<ScriptedRegistry> {
  const content = new Map<string, { readonly bytes: Buffer; readonly mediaType: string }>();
  for (const image of images) {
    await collect(content, image.layout, image);
    const manifest = content.get(`/v2/team/app/manifests/${image.digest}`);
    if (manifest !== undefined) content.set(`/v2/team/app/manifests/${image.refName}`, manifest);
  }
  const requests: string[] = [];
  const registry = { host: '', requests, intercept: () => false } as ScriptedRegistry & { host: string };
  const server = createServer((request, response) => {
    requests.push(
      `${request.method} ${request.url}${request.headers.range === undefined ? '' : ` ${request.headers.range}`}`,
    );
    if (!registry.intercept(request, response)) answer(content, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  defer(scope, async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  registry.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return registry;
}

type Content = Map<string, { readonly bytes: Buffer; readonly mediaType: string }>;

async function collect(
  content: Content,
  layout: string,
  { digest, mediaType }: Pick<LayoutDescriptor, 'digest' | 'mediaType'>,
): Promise<void> {
  content.set(`/v2/team/app/manifests/${digest}`, { bytes: await readBlob(layout, digest), mediaType });
  const manifest = await readManifest(layout, digest);
  for (const child of manifest.manifests ?? []) await collect(content, layout, child);
  for (const blob of [
    ...(manifest.layers ?? []),
    ...(manifest.config === undefined ? [] : [manifest.config]),
  ]) {
    const bytes = await readBlob(layout, blob.digest);
    content.set(`/v2/team/app/blobs/${blob.digest}`, { bytes, mediaType: 'application/octet-stream' });
  }
}

function answer(content: Content, request: IncomingMessage, response: ServerResponse): void {
  const found = content.get(request.url ?? '');
  if (request.url === '/v2/') response.end('{}');
  else if (found === undefined) {
    const code = request.url?.includes('/manifests/') ? 'MANIFEST_UNKNOWN' : 'BLOB_UNKNOWN';
    response.writeHead(404, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ errors: [{ code, message: code.toLowerCase().replace('_', ' ') }] }));
  } else {
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const { bytes, mediaType } = found;
    response.writeHead(start === 0 ? 200 : 206, {
      'content-type': mediaType,
      'content-length': bytes.length - start,
      ...(start > 0 && { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
    });
    response.end(bytes.subarray(start));
  }
}
