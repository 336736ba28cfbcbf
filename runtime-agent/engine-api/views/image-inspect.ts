import type { Image } from '../../images/image.ts';
import { createdSeconds } from './image-summary.ts';
import { ZERO_TIME } from './status-text.ts';

/** `GET /images/{name}/json` (Engine API, ImageInspect). */
export function imageInspect(image: Image, storageDriver: string): object {
  const { config } = image;
  return {
    Id: image.id,
    RepoTags: image.repoTags,
    RepoDigests: image.repoDigests,
    Parent: image.parent ?? '',
    Comment: image.history.at(-1)?.comment ?? '',
    Created: image.created ?? ZERO_TIME,
    DockerVersion: '',
    Author: image.author ?? '',
    Config: {
      Hostname: '',
      Domainname: '',
      User: config.User ?? '',
      AttachStdin: false,
      AttachStdout: false,
      AttachStderr: false,
      ...(config.ExposedPorts ? { ExposedPorts: config.ExposedPorts } : {}),
      Tty: false,
      OpenStdin: false,
      StdinOnce: false,
      Env: config.Env ?? null,
      Cmd: config.Cmd ?? null,
      ...(config.Healthcheck === undefined ? {} : { Healthcheck: config.Healthcheck }),
      Image: '',
      Volumes: config.Volumes ?? null,
      WorkingDir: config.WorkingDir ?? '',
      Entrypoint: config.Entrypoint ?? null,
      OnBuild: config.OnBuild ?? null,
      Labels: config.Labels ?? null,
      ...(config.StopSignal === undefined ? {} : { StopSignal: config.StopSignal }),
      ...(config.Shell ? { Shell: config.Shell } : {}),
    },
    Architecture: image.platform.architecture,
    ...(image.platform.variant === undefined ? {} : { Variant: image.platform.variant }),
    Os: image.platform.os,
    Size: image.size,
    GraphDriver: { Data: null, Name: storageDriver },
    RootFS: { Type: 'layers', Layers: image.diffIds },
    Metadata: { LastTagTime: image.lastTagTime ?? ZERO_TIME },
  };
}

/**
 * The container that an image was committed from, in answers before version 1.45. It is unknown here, but clients read
 * fields of ContainerConfig unconditionally; dockerd omits an empty Container.
 */
export const ORIGIN = {
  ContainerConfig: {
    Hostname: '',
    Domainname: '',
    User: '',
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    Tty: false,
    OpenStdin: false,
    StdinOnce: false,
    Env: null,
    Cmd: null,
    Image: '',
    Volumes: null,
    WorkingDir: '',
    Entrypoint: null,
    OnBuild: null,
    Labels: null,
  },
} as const;

/** `GET /images/{name}/history`, the newest first; `sizes` are bytes of each layer, the lowest first. */
export function imageHistory(image: Image, sizes: readonly number[]): readonly object[] {
  let layer = 0;
  const rows = image.history.map((entry) => ({
    Id: '<missing>',
    Created: createdSeconds(entry),
    CreatedBy: entry.created_by ?? '',
    Tags: null as readonly string[] | null,
    Size: entry.empty_layer === true ? 0 : (sizes[layer++] ?? 0),
    Comment: entry.comment ?? '',
  }));
  const newest = rows.at(-1);
  if (newest !== undefined) {
    newest.Id = image.id;
    newest.Tags = image.repoTags.length === 0 ? null : image.repoTags;
  }
  return rows.reverse();
}
