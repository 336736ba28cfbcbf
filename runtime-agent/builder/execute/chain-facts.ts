import type { ImageConfigHistory } from '../../../oci/image-config.ts';
import type { LayerChain } from '../solver/step-key.ts';

/** When the last of an image's steps was made, in milliseconds since 1970; undefined where the history does not say. */
export function createdOf(history: readonly ImageConfigHistory[]): number | undefined {
  const text = history.findLast(({ created }) => created !== undefined)?.created;
  const time = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}

/** Twelve digits, as docker's progress names what a step has come to. */
export function shortName(chain: LayerChain): string {
  const top = chain.at(-1);
  return top === undefined ? '' : top.slice(top.indexOf(':') + 1).slice(0, 12);
}
