import { EngineError } from '../../../errors.ts';

/** What a client wants to be stated about its image. */
export interface Attestations {
  /** `min` leaves out what the client gave as arguments; undefined where no provenance is asked for. */
  readonly provenance?: 'min' | 'max';
}

/** Decodes the options `attest:…`, without the prefix. Throws EngineError 'bad-request' for an SBOM. */
export function decodeAttestations(options: ReadonlyMap<string, string>): Attestations {
  for (const name of options.keys()) {
    if (name === 'provenance') continue;
    throw new EngineError(
      'bad-request',
      name === 'sbom'
        ? '--sbom is not supported: this agent makes no list of what is in an image, so build without it'
        : `the attestation "${name}" is not supported: there is provenance`,
    );
  }
  const provenance = options.get('provenance');
  if (provenance === undefined) return {};
  const attributes = new Map(
    provenance.split(',').map((part) => {
      const [name = '', value = ''] = part.split('=');
      return [name, value] as const;
    }),
  );
  // What buildx asks for by itself: for images that are pushed in an index, which this agent makes no use of.
  if (attributes.get('inline-only') === 'true' || attributes.get('disabled') === 'true') return {};
  const mode = attributes.get('mode') ?? 'min';
  if (mode !== 'min' && mode !== 'max') {
    throw new EngineError('bad-request', `the mode "${mode}" of --provenance is neither min nor max`);
  }
  return { provenance: mode };
}
