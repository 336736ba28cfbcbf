import { EngineError } from '../errors.ts';
import type { Platform } from './image.ts';
import { hostPlatform } from './platform.ts';

/** Other names of architectures, as containerd knows them. */
const ALIASES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  armhf: 'arm',
  i386: '386',
};
/** Names that make a one-word text a system or an architecture. */
const SYSTEMS: ReadonlySet<string> = new Set([
  ...['aix', 'android', 'darwin', 'dragonfly', 'freebsd', 'hurd', 'illumos', 'ios', 'js', 'linux', 'nacl'],
  ...['netbsd', 'openbsd', 'plan9', 'solaris', 'windows', 'zos'],
]);
const ARCHITECTURES: ReadonlySet<string> = new Set([
  ...['386', 'amd64', 'arm', 'arm64', 'loong64', 'mips', 'mips64', 'mips64le', 'mipsle', 'ppc64', 'ppc64le'],
  ...['riscv', 'riscv64', 's390x', 'wasm'],
]);

/**
 * Decodes `os/architecture[/variant]`, or one of the first two, as in `--platform`; undefined if absent. Throws
 * EngineError 'bad-request' with containerd's message.
 */
export function decodePlatform(text: string | null): Platform | undefined {
  if (text === null || text === '') return undefined;
  const shown = JSON.stringify(text.slice(0, 80));
  const parts = text.toLowerCase().split('/');
  if (parts.length > 3) refuse(`${shown}: cannot parse platform specifier`);
  const wrong = parts.find((part) => !/^[a-z0-9_.-]{1,80}$/.test(part));
  if (wrong !== undefined) {
    refuse(
      `${JSON.stringify(wrong.slice(0, 80))} is an invalid component of ${shown}: write os/architecture, such as linux/amd64`,
    );
  }
  const [first = '', second, variant] = parts;
  if (second === undefined) {
    const os = first === 'macos' ? 'darwin' : first;
    if (SYSTEMS.has(os)) return { ...hostPlatform(), os };
    const architecture = ALIASES[first] ?? first;
    if (ARCHITECTURES.has(architecture)) return { os: 'linux', architecture };
    refuse(`${shown}: unknown operating system or architecture`);
  }
  return {
    os: first === 'macos' ? 'darwin' : first,
    architecture: ALIASES[second] ?? second,
    ...(variant === undefined ? {} : { variant: /^\d$/.test(variant) ? `v${variant}` : variant }),
  };
}

function refuse(why: string): never {
  throw new EngineError('bad-request', `${why}: invalid argument`);
}
