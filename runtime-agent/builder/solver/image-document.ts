import type { Digest } from '../../../oci/digest.ts';
import type { ImageConfigDefaults, ImageConfigHistory } from '../../../oci/image-config.ts';
import type { Platform } from '../../images/image.ts';
import { INLINE_CACHE, type RemoteStep } from '../cache/remote/cache-document.ts';

/** The parts of a built image. */
export interface ImageParts {
  readonly platform: Platform;
  readonly author: string | undefined;
  readonly config: ImageConfigDefaults;
  readonly labels: ReadonlyMap<string, string>;
  readonly diffIds: readonly Digest[];
  readonly history: readonly ImageConfigHistory[];
  /** The steps that made it, for builds that reuse them; undefined leaves them out. */
  readonly inlineCache?: readonly RemoteStep[];
}

/** `comment` of history entries, by which tools recognise `created_by` as an instruction. */
const COMMENT = 'buildkit.dockerfile.v0';

/** Makes a history entry (image-spec, config.md); `created` in milliseconds since 1970, undefined if unknown. */
export function historyEntry(
  createdBy: string,
  created: number | undefined,
  hasLayer: boolean,
): ImageConfigHistory {
  return {
    ...(created === undefined ? {} : { created: new Date(created).toISOString() }),
    created_by: createdBy,
    comment: COMMENT,
    ...(hasLayer ? {} : { empty_layer: true }),
  };
}

/** Returns the image configuration, byte for byte the same for the same parts (image-spec, config.md). */
export function imageDocument(parts: ImageParts): Buffer {
  const { platform, author, config, labels, diffIds, history, inlineCache } = parts;
  const created = history.findLast((entry) => entry.created !== undefined)?.created;
  const allLabels = { ...config.Labels, ...Object.fromEntries(labels) };
  const document = {
    architecture: platform.architecture,
    ...(platform.variant ? { variant: platform.variant } : {}),
    ...(author === undefined ? {} : { author }),
    config: { ...config, ...(Object.keys(allLabels).length === 0 ? {} : { Labels: sorted(allLabels) }) },
    ...(created === undefined ? {} : { created }),
    history,
    os: platform.os,
    rootfs: { type: 'layers', diff_ids: diffIds },
    ...(inlineCache === undefined ? {} : { [INLINE_CACHE]: inlineCache }),
  };
  return Buffer.from(JSON.stringify(document));
}

function sorted(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}
