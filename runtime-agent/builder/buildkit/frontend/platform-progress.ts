import type { Platform } from '../../../images/image.ts';
import { platformText } from '../../../images/platform.ts';
import type { BuildProgress } from '../../builder.ts';

/** Tells of the steps of one platform beside those of others, as BuildKit words them: `[linux/arm64 2/3] COPY …`. */
export function platformProgress(
  platform: Platform,
  progress: (step: BuildProgress) => void,
): (step: BuildProgress) => void {
  const prefix = platformText(platform);
  const idOf = (id: string) => `${prefix} ${id}`;
  return (step) => {
    if (step.kind !== 'planned') {
      progress({ ...step, id: idOf(step.id) });
      return;
    }
    const name = step.name.replace(/^\[(?!internal\])/, `[${prefix} `);
    progress({ ...step, id: idOf(step.id), name, inputs: step.inputs.map(idOf) });
  };
}
