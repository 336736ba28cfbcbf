import type { Layer } from './layer.ts';
import { addJson, MEDIA_TYPE, tagManifest } from './oci-layout.ts';

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

/** What an image configuration says beyond its layers (image-spec, config.md). */
export interface ImageSettings {
  readonly architecture?: string;
  readonly os?: string;
  readonly cmd?: readonly string[];
  readonly env?: readonly string[];
  readonly user?: string;
  readonly workingDir?: string;
  /** The diff IDs in the configuration, where they are to differ from those of the layers. */
  readonly diffIds?: readonly string[];
}

/** The architecture of this machine, in the words of images. */
export function hostArchitecture(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}

/** Writes the configuration and manifest of an image over layers of the layout, and names it there. */
export async function addImage(
  layout: string,
  refName: string,
  layers: readonly Layer[],
  settings: ImageSettings = {},
): Promise<TestImage> {
  const config = await addJson(layout, MEDIA_TYPE.ociConfig, {
    created: '2024-01-01T00:00:00Z',
    architecture: settings.architecture ?? hostArchitecture(),
    os: settings.os ?? 'linux',
    config: {
      Env: settings.env ?? ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      Cmd: settings.cmd ?? ['/bin/sh'],
      ...(settings.user === undefined ? {} : { User: settings.user }),
      ...(settings.workingDir === undefined ? {} : { WorkingDir: settings.workingDir }),
    },
    rootfs: { type: 'layers', diff_ids: settings.diffIds ?? layers.map((layer) => layer.diffId) },
    history: layers.map((_, index) => ({ created: '2024-01-01T00:00:00Z', created_by: `layer ${index}` })),
  });
  const manifest = await addJson(layout, MEDIA_TYPE.ociManifest, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config,
    layers: layers.map((layer) => layer.descriptor),
  });
  await tagManifest(layout, manifest, refName);
  return { layout, refName, digest: manifest.digest, mediaType: manifest.mediaType };
}
