import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export const MEDIA_TYPE = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerManifestList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
} as const;

/** A descriptor as JSON has it (image-spec, descriptor.md). */
export interface LayoutDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly platform?: { readonly architecture: string; readonly os: string; readonly variant?: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The fields of a manifest or index that a pusher reads. */
export interface LayoutManifest {
  readonly config?: LayoutDescriptor;
  readonly layers?: readonly LayoutDescriptor[];
  readonly manifests?: readonly LayoutDescriptor[];
}

const REF_NAME = 'org.opencontainers.image.ref.name';

/** Begins an OCI image layout (image-spec, image-layout.md) in `directory`, which is made. */
export async function createLayout(directory: string): Promise<void> {
  await mkdir(join(directory, 'blobs/sha256'), { recursive: true });
  await writeFile(join(directory, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  await writeFile(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [] }));
}

/** Returns the path of a blob in the layout. */
export function layoutBlobPath(layout: string, digest: string): string {
  return join(layout, 'blobs', digest.replace(':', '/'));
}

/** Adds a blob from memory. */
export async function addBlob(
  layout: string,
  mediaType: string,
  content: string | Uint8Array,
): Promise<LayoutDescriptor> {
  const bytes = Buffer.from(content);
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  await writeFile(layoutBlobPath(layout, digest), bytes);
  return { mediaType, digest, size: bytes.length };
}

/** Adds a blob of any size in bounded memory. */
export async function addBlobStream(
  layout: string,
  mediaType: string,
  content: Readable,
): Promise<LayoutDescriptor> {
  const temporary = join(layout, `.blob-${process.pid}-${Math.random().toString(36).slice(2)}`);
  const hash = createHash('sha256');
  let size = 0;
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      size += chunk.length;
      done(null, chunk);
    },
  });
  await pipeline(content, measure, createWriteStream(temporary));
  const digest = `sha256:${hash.digest('hex')}`;
  await rename(temporary, layoutBlobPath(layout, digest));
  return { mediaType, digest, size };
}

/** Adds a JSON document as a blob. */
export function addJson(layout: string, mediaType: string, document: unknown): Promise<LayoutDescriptor> {
  return addBlob(layout, mediaType, JSON.stringify(document));
}

/** Names a manifest of the layout in its index.json. */
export async function tagManifest(
  layout: string,
  descriptor: LayoutDescriptor,
  refName: string,
): Promise<void> {
  const path = join(layout, 'index.json');
  const index = JSON.parse(await readFile(path, 'utf8')) as { manifests: LayoutDescriptor[] };
  const others = index.manifests.filter((known) => known.annotations?.[REF_NAME] !== refName);
  const named = { ...descriptor, annotations: { ...descriptor.annotations, [REF_NAME]: refName } };
  await writeFile(path, JSON.stringify({ ...index, manifests: [...others, named] }));
}

/** The bytes of a small blob, such as a manifest. */
export function readBlob(layout: string, digest: string): Promise<Buffer> {
  return readFile(layoutBlobPath(layout, digest));
}

/** The bytes of a blob as a stream. */
export function openBlob(layout: string, digest: string): Readable {
  return createReadStream(layoutBlobPath(layout, digest));
}

/** Reads a manifest of the layout. */
export async function readManifest(layout: string, digest: string): Promise<LayoutManifest> {
  return JSON.parse((await readBlob(layout, digest)).toString('utf8')) as LayoutManifest;
}
