import type { Platform } from '../../images/image.ts';
import { hostPlatform } from '../../images/platform.ts';
import { dockerfileError, type Location } from '../frontend/dockerfile-text.ts';

/** Architectures by the names that people have for them, with their variants (containerd's platforms). */
const ALIASES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  i386: '386',
  armhf: 'arm/v7',
  armel: 'arm/v6',
  'amd64/v1': 'amd64',
  'arm64/v8': 'arm64',
  'arm64/8': 'arm64',
  'arm/5': 'arm/v5',
  'arm/6': 'arm/v6',
  'arm/7': 'arm/v7',
};
const ARCHITECTURES =
  /^(?:386|amd64|arm|arm64|loong64|mips|mipsle|mips64|mips64le|ppc64|ppc64le|riscv64|s390x)$/;

/** `linux/arm64/v8`, or a part of it: `linux` is the host's architecture, `arm64` goes without its system. Throws EngineError 'bad-request'. */
export function parsePlatform(at: Location, text: string): Platform {
  const [first = '', ...rest] = text.toLowerCase().split('/');
  const isLinux = first === 'linux';
  if (isLinux && rest.length === 0) return hostPlatform();
  const [architecture = '', variant, ...more] = resolved(isLinux ? rest : [first, ...rest]);
  const isKnown = isLinux ? /^[a-z0-9_]+$/.test(architecture) : ARCHITECTURES.test(architecture);
  if (!isKnown || more.length > 0) {
    throw dockerfileError(
      at,
      `failed to parse platform ${JSON.stringify(text.slice(0, 80))}: it must be linux/ARCHITECTURE`,
    );
  }
  return { os: 'linux', architecture, ...(variant ? { variant } : {}) };
}

function resolved(parts: readonly string[]): readonly string[] {
  const [architecture = '', ...rest] = parts;
  const known = [ALIASES[architecture] ?? architecture, ...rest].join('/');
  return (ALIASES[known] ?? known).split('/');
}
