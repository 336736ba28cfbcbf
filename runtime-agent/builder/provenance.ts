import { digestAlgorithm, digestHex } from '../../oci/digest.ts';
import type { Attestation } from '../images/attestations/image-attestations.ts';
import type { Platform } from '../images/image.ts';
import { platformText } from '../images/platform.ts';
import type { BuildRequest, BuiltImage } from './builder.ts';

/** A finished build. */
export interface FinishedBuild {
  /** The ID that its client chose. */
  readonly id: string;
  readonly request: Pick<
    BuildRequest,
    'dockerfile' | 'target' | 'buildArguments' | 'labels' | 'noCache' | 'network'
  >;
  readonly image: Pick<BuiltImage, 'materials'>;
  readonly platform: Platform;
  readonly startedAt: Date;
  readonly finishedAt: Date;
}

/**
 * Returns the SLSA provenance v0.2 of an image, as BuildKit fills it. `min` omits the client's arguments and labels,
 * which may contain private data.
 */
export function provenance(build: FinishedBuild, mode: 'min' | 'max'): Attestation {
  const { id, request, image, platform, startedAt, finishedAt } = build;
  const args = [
    ...(request.target === undefined ? [] : [['target', request.target]]),
    ...[...request.buildArguments].flatMap(([name, value]) =>
      value === undefined ? [] : [[`build-arg:${name}`, value]],
    ),
    ...[...request.labels].map(([name, value]) => [`label:${name}`, value]),
  ];
  return {
    predicateType: 'https://slsa.dev/provenance/v0.2',
    predicate: {
      builder: { id: '' },
      buildType: 'https://mobyproject.org/buildkit@v1',
      materials: image.materials.map(({ uri, digest }) => ({
        uri,
        digest: { [digestAlgorithm(digest)]: digestHex(digest) },
      })),
      invocation: {
        configSource: { entryPoint: request.dockerfile },
        parameters: {
          frontend: 'dockerfile.v0',
          ...(mode === 'max' ? { args: Object.fromEntries(args.sort()) } : {}),
          locals: [{ name: 'context' }, { name: 'dockerfile' }],
        },
        environment: { platform: platformText(platform) },
      },
      metadata: {
        buildInvocationID: id,
        buildStartedOn: startedAt.toISOString(),
        buildFinishedOn: finishedAt.toISOString(),
        completeness: { parameters: mode === 'max', environment: true, materials: false },
        reproducible: false,
      },
    },
  };
}
