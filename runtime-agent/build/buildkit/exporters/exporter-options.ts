import { EngineError } from '../../../errors.ts';

/** One output as a client asks for it: `--output`, or what it makes of `--tag`, `--push` and `--load`. */
export interface ExporterRequest {
  readonly type: string;
  readonly attributes: ReadonlyMap<string, string>;
}

/** What is done with what was built. */
export type ExporterPlan = {
  readonly kind: 'image';
  /** Tags as the client writes them. */
  readonly names: readonly string[];
};

/** Attributes of an image that change nothing here. */
const WITHOUT_EFFECT = new Set([
  // buildx pushes by the Engine API once the image is there.
  'push',
  'load',
  'unpack',
  'store',
  'compression',
  'compression-level',
  'force-compression',
  'oci-mediatypes',
  'name-canonical',
  'registry.insecure',
  'buildinfo-attrs',
]);

/** Decodes an output. Throws EngineError 'bad-request' for what there is not. */
export function decodeExporter({ type, attributes }: ExporterRequest): ExporterPlan {
  if (type !== 'moby' && type !== 'image') {
    throw new EngineError('bad-request', `the output type=${type} is not supported`);
  }
  for (const [name, value] of attributes) {
    if (name === 'name' || WITHOUT_EFFECT.has(name)) continue;
    throw new EngineError('bad-request', `the option ${name}=${value} of the output is not supported`);
  }
  const names = (attributes.get('name') ?? '').split(',').filter((name) => name !== '');
  return { kind: 'image', names };
}

/** What the outputs say about the layers that are to be made. */
export function decodeCompression(exporters: readonly ExporterRequest[]): 'gzip' | 'zstd' {
  for (const { attributes } of exporters) {
    const compression = attributes.get('compression') ?? 'gzip';
    if (compression === 'zstd') return 'zstd';
    if (compression !== 'gzip') {
      throw new EngineError(
        'bad-request',
        `compression=${compression} is not supported: layers are gzip or zstd`,
      );
    }
  }
  return 'gzip';
}
