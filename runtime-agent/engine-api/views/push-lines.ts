import type { LoadProgress } from '../../images/archive/image-archives.ts';
import type { PushProgress } from '../../images/push/image-push.ts';
import { progressBar } from './pull-lines.ts';

const STATUS = {
  preparing: 'Preparing',
  waiting: 'Waiting',
  pushing: 'Pushing',
  pushed: 'Pushed',
  'already-exists': 'Layer already exists',
} as const;

/** A progress step of a push as the messages that dockerd writes (Engine API, ImagePush). */
export function pushLines(step: PushProgress): readonly object[] {
  switch (step.kind) {
    case 'pushing-to':
      return [{ status: `The push refers to repository [${step.repository}]` }];
    case 'layer':
      return [layerLine(step)];
    case 'compressed-anew':
      return [
        {
          status:
            'The layer is not kept on this host as the image names it: it is compressed anew, and the image gets another digest',
          id: step.id,
        },
      ];
    case 'pushed': {
      const { tag, digest, size } = step;
      return [
        { status: `${tag}: digest: ${digest} size: ${size}` },
        { progressDetail: {}, aux: { Tag: tag, Digest: digest, Size: size } },
      ];
    }
  }
}

function layerLine(step: Extract<PushProgress, { readonly kind: 'layer' }>): object {
  const { id, state, current, total } = step;
  const status = state === 'mounted' ? `Mounted from ${step.from}` : STATUS[state];
  if (current === undefined || total === undefined || total <= 0) return { status, progressDetail: {}, id };
  return { status, progressDetail: { current, total }, progress: progressBar(current, total), id };
}

/** A step of a load as the lines that dockerd writes (Engine API, ImageLoad). */
export function loadLines(step: LoadProgress, quiet: boolean): readonly object[] {
  switch (step.kind) {
    case 'layer': {
      if (quiet) return [];
      const { id, current, total } = step;
      const progress = progressBar(current, Math.max(total, 1));
      return [{ status: 'Loading layer', progressDetail: { current, total }, progress, id }];
    }
    case 'renamed':
      return [
        {
          stream: `The image ${step.name} already exists, renaming the old one with ID ${step.oldId} to empty string\n`,
        },
      ];
    case 'loaded':
      return [{ stream: `Loaded image: ${step.name}\n` }];
    case 'loaded-id':
      return [{ stream: `Loaded image ID: ${step.id}\n` }];
  }
}
