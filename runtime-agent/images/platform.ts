import type { Descriptor } from '../../oci/manifest.ts';
import type { Platform } from './image.ts';

const ARCHITECTURES: Readonly<Partial<Record<NodeJS.Architecture, string>>> = { x64: 'amd64', ia32: '386' };

/** Returns the platform of this host, in the terms of images. */
export function hostPlatform(): Platform {
  return { os: 'linux', architecture: ARCHITECTURES[process.arch] ?? process.arch };
}

/**
 * Returns the member of an index for `wanted`; the first of several. Attestations, whose platform is `unknown`, are not
 * images.
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

/** Without a variant any matches; on arm64, v8 is the default. */
function sameVariant(offered: string | undefined, wanted: string | undefined, architecture: string): boolean {
  if (!wanted) return true;
  const plain = architecture === 'arm64' ? 'v8' : '';
  return (offered || plain) === wanted;
}
