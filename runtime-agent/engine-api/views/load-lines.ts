import type { LoadProgress } from '../../images/archive/image-archives.ts';
import { progressBar } from './pull-lines.ts';

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
