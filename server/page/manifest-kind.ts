import type { ManifestView, Reference } from '../browse/browse.ts';
import { counted } from './format.ts';

const HELM_CONFIG = 'application/vnd.cncf.helm.config.v1+json';
/** The types of configurations that make a manifest an image. */
const IMAGE_CONFIGS: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
]);

type Kinded = Pick<
  ManifestView,
  'mediaType' | 'artifactType' | 'members' | 'config' | 'repository' | 'signatures'
>;

/** Describes the kind of a manifest in a few words. */
export function kindOf({ artifactType, config, members, mediaType, signatures }: Kinded): string {
  if (isChart({ artifactType, config })) return 'Helm chart';
  if (signatures.length > 0) return counted(signatures.length, 'signature');
  if (isArtifact(artifactType)) return `Artifact of the type ${artifactType}`;
  if (members.length > 0 || /\b(?:index|list)\b/.test(mediaType)) return 'Image for several platforms';
  return 'Image';
}

function isChart({
  artifactType,
  config,
}: {
  readonly artifactType?: string | undefined;
  readonly config?: { readonly mediaType: string } | undefined;
}): boolean {
  return config?.mediaType === HELM_CONFIG || artifactType === HELM_CONFIG;
}

/** Reports whether programs run it. Signatures of cosign have the configuration of an image. */
export function isImage(view: Pick<Kinded, 'artifactType' | 'config' | 'signatures'>): boolean {
  return !isChart(view) && !isArtifact(view.artifactType) && view.signatures.length === 0;
}

/** Reports whether a manifest with this type is not an image. */
export function isArtifact(artifactType: string | undefined): boolean {
  return artifactType !== undefined && !IMAGE_CONFIGS.has(artifactType);
}

/** Returns commands that pull it, for the programs that support its type. */
export function pullCommands(view: Kinded, host: string, reference: Reference): readonly string[] {
  const name = `${host}/${view.repository}`;
  const whole = 'tag' in reference ? `${name}:${reference.tag}` : `${name}@${reference.digest}`;
  if (isChart(view)) {
    return [`helm pull oci://${name}${'tag' in reference ? ` --version ${reference.tag}` : ''}`];
  }
  if (!isImage(view)) return [`oras pull ${whole}`];
  return [`docker pull ${whole}`, `podman pull ${whole}`];
}
