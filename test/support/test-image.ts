import type { Layer } from './layer.ts';
import { addJson, type LayoutDescriptor, MEDIA_TYPE, tagManifest } from './oci-layout.ts';

/** An image, or an index of images, in an OCI layout on disk. */
export interface TestImage {
  /** The folder of the layout. */
  readonly layout: string;
  /** Its name in the layout's index.json: `skopeo copy oci:LAYOUT:REFNAME`. */
  readonly refName: string;
  /** Of the manifest or index. */
  readonly digest: string;
  readonly mediaType: string;
}

/** The fields of an image configuration other than its layers (image-spec, config.md). */
export interface ImageSettings {
  /** This machine's unless given. */
  readonly architecture?: string;
  readonly cmd?: readonly string[];
  /** The diff IDs in the configuration, where they are to differ from those of the layers. */
  readonly diffIds?: readonly string[];
  /** Docker's media types (image manifest version 2, schema 2) in place of OCI's. Layers must be gzip. */
  readonly dockerMediaTypes?: boolean;
}

/** The architecture of this machine, in the words of images. */
export function hostArchitecture(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}

/** Writes the configuration and manifest of an image over layers of the layout; answers the manifest's descriptor. */
export async function writeImage(
  layout: string,
  layers: readonly Layer[],
  settings: ImageSettings = {},
): Promise<LayoutDescriptor> {
  const docker = settings.dockerMediaTypes === true;
  const created = '2024-01-01T00:00:00Z';
  const config = await addJson(layout, docker ? MEDIA_TYPE.dockerConfig : MEDIA_TYPE.ociConfig, {
    created,
    architecture: settings.architecture ?? hostArchitecture(),
    os: 'linux',
    config: {
      Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      Cmd: settings.cmd ?? ['/bin/sh'],
    },
    rootfs: { type: 'layers', diff_ids: settings.diffIds ?? layers.map((layer) => layer.diffId) },
    history: layers.map((_, index) => ({ created, created_by: `layer ${index}` })),
  });
  const mediaType = docker ? MEDIA_TYPE.dockerManifest : MEDIA_TYPE.ociManifest;
  return addJson(layout, mediaType, {
    schemaVersion: 2,
    mediaType,
    config,
    layers: layers.map(({ descriptor }) =>
      docker ? { ...descriptor, mediaType: MEDIA_TYPE.dockerLayerGzip } : descriptor,
    ),
  });
}

/** writeImage, and gives the manifest a name in the layout. */
export async function addImage(
  layout: string,
  refName: string,
  layers: readonly Layer[],
  settings: ImageSettings = {},
): Promise<TestImage> {
  const { digest, mediaType, size } = await writeImage(layout, layers, settings);
  await tagManifest(layout, { digest, mediaType, size }, refName);
  return { layout, refName, digest, mediaType };
}
