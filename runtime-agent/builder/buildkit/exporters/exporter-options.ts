import { readReference } from '../../../../oci/distribution/errors.ts';
import type { ImageReference } from '../../../../oci/reference.ts';
import { EngineError } from '../../../errors.ts';
import type { SentForm } from '../../builder.ts';
import {
  COMPRESSION_ATTRIBUTES,
  decodeCompression,
  type ImageCompression,
  isSet,
} from './compression-options.ts';

/** One output of a request: `--output`, or its equivalent of `--tag`, `--push` and `--load`. */
export interface ExporterRequest {
  readonly type: string;
  readonly attributes: ReadonlyMap<string, string>;
}

/** What happens to the result of a build. */
export type ExporterPlan =
  /**
   * It stays on this host, with these names; its layers are compressed when it is pushed, unless a compression is
   * chosen.
   */
  | {
      readonly kind: 'image';
      readonly names: readonly ImageReference[];
      readonly compression: ImageCompression | undefined;
      /** Whether its client pushes it next, by the Engine API. */
      readonly isPushed: boolean;
    }
  /** It is sent to a file of the client as an archive of images. */
  | {
      readonly kind: 'archive';
      readonly format: 'oci' | 'docker';
      readonly names: readonly ImageReference[];
      readonly compression: ImageCompression;
    }
  /** Its files go to a file of the client's as one tar. */
  | { readonly kind: 'tar' }
  /** Its files go into a folder of the client's. */
  | { readonly kind: 'folder' };

/** Attributes of an image without an effect here. */
const WITHOUT_EFFECT = new Set([
  'push',
  'load',
  'unpack',
  'store',
  'oci-mediatypes',
  'name-canonical',
  'registry.insecure',
  'buildinfo-attrs',
  'tar',
  'attestation-inline',
]);

/** Decodes an output. Throws EngineError 'bad-request' for an unknown one. */
export function decodeExporter({ type, attributes }: ExporterRequest): ExporterPlan {
  for (const [name, value] of attributes) {
    if (name === 'name' || WITHOUT_EFFECT.has(name) || COMPRESSION_ATTRIBUTES.has(name)) continue;
    throw new EngineError('bad-request', `the option ${name}=${value} of the output is not supported`);
  }
  const names = (attributes.get('name') ?? '').split(',').filter((name) => name !== '');
  const compression = decodeCompression(attributes);
  switch (type) {
    case 'moby':
    case 'image':
      if (compression?.compression.kind === 'uncompressed') {
        throw new EngineError(
          'bad-request',
          'compression=uncompressed is not supported for images that may be pushed: there are gzip and zstd',
        );
      }
      return {
        kind: 'image',
        names: names.map(readReference),
        compression,
        isPushed: isSet(attributes, 'push'),
      };
    case 'oci':
    case 'docker':
      if (attributes.get('tar') === 'false') {
        throw new EngineError(
          'bad-request',
          `the output type=${type},tar=false is not supported: take a tar, and unpack it`,
        );
      }
      return {
        kind: 'archive',
        format: type,
        names: names.map(readReference),
        compression: compression ?? { compression: { kind: 'uncompressed' }, forces: true },
      };
    case 'tar':
      return { kind: 'tar' };
    case 'local':
      return { kind: 'folder' };
    default:
      throw new EngineError(
        'bad-request',
        `the output type=${type} is not supported: there are image, docker, oci, tar and local`,
      );
  }
}

/** The forms that the outputs of a build want layers in, so that these are made while it runs. */
export function sentForms(plans: readonly ExporterPlan[]): readonly SentForm[] {
  return plans.flatMap((plan): readonly SentForm[] => {
    if (plan.kind !== 'image' && plan.kind !== 'archive') return [];
    if (plan.compression === undefined) {
      return plan.kind === 'image' && plan.isPushed
        ? [{ compression: { kind: 'gzip' }, keeps: 'all', isRead: false }]
        : [];
    }
    const { compression, forces } = plan.compression;
    if (compression.kind === 'uncompressed') return [];
    return [{ compression, keeps: forces ? 'none' : 'base', isRead: plan.kind === 'archive' }];
  });
}

/** The names that the client pushes next. */
export function pushedNames(plans: readonly ExporterPlan[]): readonly ImageReference[] {
  return plans.flatMap((plan) => (plan.kind === 'image' && plan.isPushed ? plan.names : []));
}
