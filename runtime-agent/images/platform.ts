import type { Descriptor } from '../../oci/manifest.ts';
import type { Platform } from './image.ts';

const ARCHITECTURES: Readonly<Partial<Record<NodeJS.Architecture, string>>> = { x64: 'amd64', ia32: '386' };

/** What the images of this host are made for, in the words of images. */
export function hostPlatform(): Platform {
  return { os: 'linux', architecture: ARCHITECTURES[process.arch] ?? process.arch };
}

/**
 * The member of an index that runs on `wanted`; the first one where several do. Attestations, whose platform is
 * `unknown`, are no images.
 */
export function choosePlatform(members: readonly Descriptor[], wanted: Platform): Descriptor | undefined {
  return members.find(
    ({ platform }) =>
      platform !== undefined &&
      platform.os === wanted.os &&
      platform.architecture === wanted.architecture &&
      sameVariant(platform.variant, wanted.variant, wanted.architecture),
  );
}

/** `linux/arm64/v8` */
export function platformText({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant ? [variant] : [])].join('/');
}

/** Who asks for no variant takes any; on arm64, v8 goes without saying. */
function sameVariant(offered: string | undefined, wanted: string | undefined, architecture: string): boolean {
  if (!wanted) return true;
  const plain = architecture === 'arm64' ? 'v8' : '';
  return (offered || plain) === wanted;
}
