import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Platform } from '../../images/image.ts';
import { hostPlatform, platformText } from '../../images/platform.ts';
import { dockerfileError } from '../frontend/dockerfile-text.ts';
import type { Step } from '../solver/step.ts';
import { type Emulation, emulationOf, interpreterName } from './emulation.ts';

const REGISTRATIONS = '/proc/sys/fs/binfmt_misc';

/**
 * Throws EngineError 'bad-request' at a RUN of a platform whose programs this host cannot run: neither its processor nor an emulator
 * that its kernel was told of (binfmt_misc).
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
