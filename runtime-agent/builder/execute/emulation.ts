import type { Platform } from '../../images/image.ts';

/** What a processor runs beside its own. */
const ALSO: Readonly<Record<string, readonly string[]>> = { amd64: ['386'], arm64: ['arm'] };

/** The names that QEMU's interpreters are registered under, where they are not those of images. */
const INTERPRETERS: Readonly<Record<string, string>> = {
  amd64: 'x86_64',
  arm64: 'aarch64',
  '386': 'i386',
  loong64: 'loongarch64',
  mips64le: 'mips64el',
};

/** Whether a host runs the programs of a platform, and why it does not. */
export type Emulation =
  | { readonly kind: 'own' }
  | { readonly kind: 'emulated' }
  | { readonly kind: 'other-system' }
  | { readonly kind: 'not-registered' }
  | { readonly kind: 'disabled' }
  /** The kernel looks for the interpreter in the image, which does not have it. */
  | { readonly kind: 'not-fixed'; readonly interpreter: string };

/** The name of the interpreter in binfmt_misc(5) that runs programs of an architecture. */
export function interpreterName(architecture: string): string {
  return `qemu-${INTERPRETERS[architecture] ?? architecture}`;
}

/** `registered` is what the kernel tells of that interpreter; undefined where it was told of none. */
export function emulationOf(
  platform: Pick<Platform, 'os' | 'architecture'>,
  host: Pick<Platform, 'os' | 'architecture'>,
  registered: string | undefined,
): Emulation {
  const { os, architecture } = platform;
  if (os !== host.os) return { kind: 'other-system' };
  if ([host.architecture, ...(ALSO[host.architecture] ?? [])].includes(architecture)) return { kind: 'own' };
  if (registered === undefined) return { kind: 'not-registered' };
  const lines = registered.split('\n');
  if (lines[0] !== 'enabled') return { kind: 'disabled' };
  const flags = lines.find((line) => line.startsWith('flags:')) ?? '';
  if (flags.includes('F')) return { kind: 'emulated' };
  const line = lines.find((each) => each.startsWith('interpreter ')) ?? '';
  return { kind: 'not-fixed', interpreter: line.slice('interpreter '.length) };
}
