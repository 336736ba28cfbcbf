import { arch } from 'node:process';
import { EngineError } from '../../errors.ts';
import type { Platform } from '../../images/image.ts';

const GOARCH: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  arm64: 'arm64',
  arm: 'arm',
  ppc64: 'ppc64le',
  s390x: 's390x',
  riscv64: 'riscv64',
};

/** Platform of this machine. */
export const HOST_PLATFORM: Platform = { os: 'linux', architecture: GOARCH[arch] ?? arch };

/**
 * Compares an image's platform with the requested one, or else with the host's. Returns warnings. Throws EngineError
 * 'not-found' if the client requests another platform, so that it pulls, and 'bad-request' for malformed text.
 */
export function checkPlatform(
  image: string,
  actual: Platform,
  wanted: string | undefined,
): readonly string[] {
  if (wanted !== undefined && wanted !== '') {
    if (matches(actual, parsePlatform(wanted))) return [];
    throw new EngineError(
      'not-found',
      `image with reference ${image} was found but does not match the specified platform: wanted ${wanted}, ` +
        `actual: ${formatPlatform(actual)}`,
    );
  }
  if (isHostPlatform(actual)) return [];
  return [
    `The requested image's platform (${formatPlatform(actual)}) does not match the detected host platform ` +
      `(${formatPlatform(HOST_PLATFORM)}) and no specific platform was requested`,
  ];
}

/** Reports whether images of this platform are built for this machine. */
export function isHostPlatform(platform: Platform): boolean {
  return matches(platform, HOST_PLATFORM);
}

function parsePlatform(text: string): Platform {
  const [os = '', architecture = '', variant, ...rest] = text.toLowerCase().split('/');
  if (!/^[a-z0-9_.-]+$/.test(os) || rest.length > 0) {
    throw new EngineError(
      'bad-request',
      `"${text.slice(0, 80)}" is an invalid platform, expected os/architecture`,
    );
  }
  const named = { os, architecture: architecture === '' ? HOST_PLATFORM.architecture : architecture };
  return variant === undefined ? named : { ...named, variant };
}

function matches(actual: Platform, wanted: Platform): boolean {
  if (actual.os !== wanted.os || actual.architecture !== wanted.architecture) return false;
  return wanted.variant === undefined || variantOf(actual) === variantOf(wanted);
}

function variantOf(platform: Platform): string {
  return platform.variant ?? (platform.architecture === 'arm64' ? 'v8' : '');
}

function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant ? [variant] : [])].join('/');
}
