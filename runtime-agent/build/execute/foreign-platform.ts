import { readdir } from 'node:fs/promises';
import type { Platform } from '../../images/image.ts';
import { hostPlatform, platformText } from '../../images/platform.ts';
import { dockerfileError } from '../frontend/dockerfile-text.ts';
import type { Step } from '../solver/step.ts';

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

/**
 * Throws EngineError 'bad-request' at a RUN of a platform whose programs this host cannot run: neither its processor nor an emulator
 * that its kernel was told of (binfmt_misc).
 */
export async function refuseForeignPlatform(step: Step, platform: Platform): Promise<void> {
  const host = hostPlatform();
  const { os, architecture } = platform;
  if (os === host.os && [host.architecture, ...(ALSO[host.architecture] ?? [])].includes(architecture))
    return;
  const registered: readonly string[] = await readdir('/proc/sys/fs/binfmt_misc').catch(() => []);
  if (registered.includes(`qemu-${INTERPRETERS[architecture] ?? architecture}`)) return;
  throw dockerfileError(
    step.at,
    `RUN needs programs of ${platformText(platform)}, and this host runs ${platformText(host)} and has no emulator: build on a host of that platform, or run what can run anywhere in a stage FROM --platform=$BUILDPLATFORM`,
  );
}
