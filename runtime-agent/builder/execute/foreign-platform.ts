import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Platform } from '../../images/image.ts';
import { hostPlatform, platformText } from '../../images/platform.ts';
import { dockerfileError } from '../frontend/dockerfile-text.ts';
import type { Step } from '../solver/step.ts';

const REGISTRATIONS = '/proc/sys/fs/binfmt_misc';

/**
 * Throws EngineError 'bad-request' at a RUN of a platform whose programs neither the host's processor nor a registered emulator
 * (binfmt_misc) can run.
 */
export async function refuseForeignPlatform(step: Step, platform: Platform): Promise<void> {
  const host = hostPlatform();
  const name = interpreterName(platform.architecture);
  const registered = await readFile(join(REGISTRATIONS, name), 'latin1').catch(() => undefined);
  const emulation = emulationOf(platform, host, registered);
  if (emulation.kind === 'own' || emulation.kind === 'emulated') return;
  throw dockerfileError(
    step.at,
    `RUN needs programs of ${platformText(platform)}, and this host runs ${platformText(host)} and ${whyNot(emulation, name)}; or build on a host of that platform, or run what can run anywhere in a stage FROM --platform=$BUILDPLATFORM`,
  );
}

function whyNot(
  emulation: Exclude<Emulation, { readonly kind: 'own' } | { readonly kind: 'emulated' }>,
  name: string,
): string {
  switch (emulation.kind) {
    case 'other-system':
      return 'nothing of another system: take another base image';
    case 'not-registered':
      return `has no emulator: install one (on Debian: apt-get install qemu-user-binfmt), with ${REGISTRATIONS} mounted`;
    case 'disabled':
      return `its emulator is disabled: write 1 to ${join(REGISTRATIONS, name)}`;
    case 'not-fixed':
      return `the kernel would look for its emulator ${emulation.interpreter} in the image: register it with the flag F (on Debian: apt-get install qemu-user-binfmt)`;
  }
}

/** Other architectures that a processor runs natively. */
const ALSO: Readonly<Record<string, readonly string[]>> = { amd64: ['386'], arm64: ['arm'] };

/** Names of QEMU's registered interpreters, if they differ from those of images. */
const INTERPRETERS: Readonly<Record<string, string>> = {
  amd64: 'x86_64',
  arm64: 'aarch64',
  '386': 'i386',
  loong64: 'loongarch64',
  mips64le: 'mips64el',
};

/** Whether a host can run the programs of a platform, and if not, why. */
type Emulation =
  | { readonly kind: 'own' }
  | { readonly kind: 'emulated' }
  | { readonly kind: 'other-system' }
  | { readonly kind: 'not-registered' }
  | { readonly kind: 'disabled' }
  /** The kernel looks for the interpreter in the image, where it does not exist. */
  | { readonly kind: 'not-fixed'; readonly interpreter: string };

/** Returns the name of the interpreter in binfmt_misc(5) that runs programs of an architecture. */
export function interpreterName(architecture: string): string {
  return `qemu-${INTERPRETERS[architecture] ?? architecture}`;
}

/** `registered` is the kernel's entry for that interpreter; undefined without one. */
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
