import { trimEndOf } from '../../../lib/pattern/trim.ts';
import type { Digest } from '../../../oci/digest.ts';
import type { ImageConfigDefaults } from '../../../oci/image-config.ts';
import type { Platform } from '../image.ts';
import { sha256 } from './plain-manifest.ts';

/** One more step on top of an image, or of scratch. */
export interface ComposedConfig {
  /** The configuration of the image below, byte for byte; it was read before. */
  readonly parent?: Uint8Array;
  /** Platform of an image without a base. */
  readonly platform: Platform;
  readonly config: ImageConfigDefaults;
  readonly created: Date;
  readonly author?: string;
  readonly createdBy?: string;
  readonly comment?: string;
  /** The new layer, which the history then mentions, unless it is an empty tar. */
  readonly layer?: Digest;
}

type JsonObject = Readonly<Record<string, unknown>>;

/** Digest of two blocks of zeros. */
const EMPTY_TAR = sha256(Buffer.alloc(1024));
/** docker's former fields about the container from which an image was committed. */
const OF_THE_CONTAINER: ReadonlySet<string> = new Set(['id', 'parent', 'container', 'container_config']);

/** Returns the bytes of an image configuration (image-spec, config.md), fields in docker's order. */
export function composeConfig(step: ComposedConfig): Buffer {
  const parent =
    step.parent === undefined ? {} : (JSON.parse(Buffer.from(step.parent).toString('utf8')) as JsonObject);
  const inherited = Object.entries(parent).filter(([key]) => !OF_THE_CONTAINER.has(key));
  const layer = step.layer === EMPTY_TAR ? undefined : step.layer;
  const below = (parent.rootfs as { readonly diff_ids?: readonly string[] } | undefined)?.diff_ids ?? [];
  const { platform, author, createdBy, comment } = step;
  // In Go's format of times.
  const created = `${trimEndOf(trimEndOf(step.created.toISOString().slice(0, -1), '0'), '.')}Z`;
  const entry = {
    created,
    ...(author && { author }),
    ...(createdBy && { created_by: createdBy }),
    ...(comment && { comment }),
    ...(layer === undefined && { empty_layer: true }),
  };
  const config: Record<string, unknown> = {
    architecture: platform.architecture,
    os: platform.os,
    ...(platform.variant && { variant: platform.variant }),
    ...Object.fromEntries(inherited),
    config: step.config,
    created,
    history: [...((parent.history as readonly unknown[] | null | undefined) ?? []), entry],
    rootfs: { type: 'layers', diff_ids: layer === undefined ? below : [...below, layer] },
  };
  if (author) config.author = author;
  const sorted = Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1));
  return Buffer.from(JSON.stringify(Object.fromEntries(sorted)));
}
